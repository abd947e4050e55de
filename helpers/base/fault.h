/*
 * base/fault: a failure as a value in the caller's frame.
 *
 * Promise: a function that can fail takes a `struct fault *` last and returns 0 or -1.  On -1 its other outputs are
 * untouched, and the fault was filled once, where most was known.  Only cmd/main.c prints it.  Each kind has its exit
 * status (the table in the README), so that scripts can act on the number.
 *
 * The text is one sentence without a full stop that names what, where and, if it helps, what to do.  Outside text in it
 * goes through SHOWN() (base/text.h).  It is truncated at FAULT_TEXT_MAX bytes.
 */
#ifndef OKV_BASE_FAULT_H
#define OKV_BASE_FAULT_H

/* The value is the exit status. */
enum fault_kind {
	FAULT_NONE = 0,
	FAULT_NEGATIVE = 1,   /* the answer to the question is no */
	FAULT_USAGE = 2,      /* wrong arguments */
	FAULT_REFUSED = 3,    /* the input breaks a rule; nothing was changed */
	FAULT_INCOMPLETE = 4, /* partly done; safe to run again */
	FAULT_SYSTEM = 5,     /* the operating system reported an error */
	FAULT_ABSENT = 6,     /* a file, module or library does not exist */
	FAULT_LATE = 7,       /* a deadline passed */
};

enum { FAULT_TEXT_MAX = 2048 };

struct fault {
	enum fault_kind kind;
	int errnum; /* the errno value, 0 if none */
	char text[FAULT_TEXT_MAX];
};

#define FAULT_PRINTF(at, first) __attribute__((format(printf, at, first), nonnull(1), cold))

/* Each fills *f and returns -1, for `return fault_refused(f, ...)`. */
int fault_negative(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_usage(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_refused(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_incomplete(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_absent(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_late(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);

/*
 * For a system call that failed: appends ": " and the meaning of `errnum`.  ENOENT and ENOTDIR give FAULT_ABSENT, ELOOP
 * FAULT_REFUSED (a link where none is allowed), all others FAULT_SYSTEM.
 */
int fault_errno(struct fault *f, int errnum, const char *format, ...) FAULT_PRINTF(3, 4);
/* As fault_errno, but always FAULT_SYSTEM. */
int fault_system(struct fault *f, int errnum, const char *format, ...) FAULT_PRINTF(3, 4);
int fault_memory(struct fault *f) __attribute__((nonnull(1), cold));

/* Prepends to the text ("okv_hsm.conf:3: "); kind and errnum stay.  Returns -1. */
int fault_prefix(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);

/* One word for JSON: "refused", "absent", ... */
const char *fault_kind_name(enum fault_kind kind);
/* strerror(3) in English, whatever the locale; never NULL. */
const char *fault_errno_text(int errnum);

#endif
