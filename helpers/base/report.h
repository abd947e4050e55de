/*
 * base/report: how a room reports what it does, without printing.
 *
 * Promise: a room below cmd/ reports each thing once, as one line without a line feed.  The caller decides where it
 * goes: cmd/main.c sends results to standard output, warnings to standard error and, in hooks, both to syslog.
 * report_say(NULL, ...) does nothing.
 */
#ifndef OKV_BASE_REPORT_H
#define OKV_BASE_REPORT_H

enum report_level {
	REPORT_WARNING, /* somebody should look at it; the work goes on */
	REPORT_RESULT,  /* what was done, or would be done; hidden by -q */
	REPORT_DETAIL,  /* only with -v */
};

struct report {
	void (*on_line)(struct report *self, enum report_level level, const char *line);
	void *context; /* the listener's own */
};

void report_say(struct report *report, enum report_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
