/*
 * base/fault: a failure as a value in the caller's frame.
 *
 * Promise: a function that can fail takes a `struct fault *` last, returns 0 or -1, leaves its other outputs
 * untouched on -1 and has then filled the fault once, at the place that knew most.  Nobody below cmd/main.c
 * prints it.  Every kind has one exit status (the table in the README), so scripts can act on the number.
 *
 * The text is one sentence without a full stop that names what, where and, where it helps, what to do.
 * Outside text in it goes through SHOWN() (base/text.h).  It is cut, never overrun, at FAULT_TEXT_MAX bytes.
 */
#ifndef OKV_BASE_FAULT_H
#define OKV_BASE_FAULT_H

/* The value is the exit status. */
enum fault_kind {
	FAULT_NONE = 0,
	FAULT_NEGATIVE = 1,   /* the question was answered, and the answer is no */
	FAULT_USAGE = 2,      /* called wrongly */
	FAULT_REFUSED = 3,    /* the input breaks a rule; nothing was changed */
	FAULT_INCOMPLETE = 4, /* some of it is done; safe to run again */
	FAULT_SYSTEM = 5,     /* the system failed us */
	FAULT_ABSENT = 6,     /* a file, module or library is not there */
	FAULT_LATE = 7,       /* a deadline passed */
};

enum { FAULT_TEXT_MAX = 2048 };

struct fault {
	enum fault_kind kind;
	int errnum; /* errno value behind it, 0 if none */
	char text[FAULT_TEXT_MAX];
};

#define FAULT_PRINTF(at, first) __attribute__((format(printf, at, first), nonnull(1), cold))

/* Each fills *f and returns -1, so that `return fault_refused(f, ...)` reads as one act. */
int fault_negative(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_usage(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_refused(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_incomplete(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_absent(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);
int fault_late(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);

/*
 * A system call failed with `errnum`; ": " and its meaning are appended.  ENOENT, ENOTDIR become FAULT_ABSENT
 * and ELOOP FAULT_REFUSED (a link where none may be); all else is FAULT_SYSTEM.
 */
int fault_errno(struct fault *f, int errnum, const char *format, ...) FAULT_PRINTF(3, 4);
/* As fault_errno, but always FAULT_SYSTEM. */
int fault_system(struct fault *f, int errnum, const char *format, ...) FAULT_PRINTF(3, 4);
int fault_memory(struct fault *f) __attribute__((nonnull(1), cold));

/* Puts words before the text already there ("okv_hsm.conf:3: "); kind and errnum stay.  Returns -1. */
int fault_prefix(struct fault *f, const char *format, ...) FAULT_PRINTF(2, 3);

/* One word for JSON: "refused", "absent", ... */
const char *fault_kind_name(enum fault_kind kind);
/* Meaning of an errno value, in English whatever the locale; never NULL. */
const char *fault_errno_text(int errnum);

#endif
