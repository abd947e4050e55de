/*
 * base/report: how a room tells what it does, without printing.
 *
 * Promise: a room below cmd/ says each thing once, as one line without a line feed, to the report it was given.
 * Who listens decides where it goes: cmd/main.c sends results to standard output, complaints to standard error
 * and, in hooks, both to syslog.  report_say(NULL, ...) is silence.
 */
#ifndef OKV_BASE_REPORT_H
#define OKV_BASE_REPORT_H

enum report_level {
	REPORT_WARNING, /* something a person should look at; the work goes on */
	REPORT_RESULT,  /* what was done, or would be; hidden by -q */
	REPORT_DETAIL,  /* only with -v */
};

struct report {
	void (*on_line)(struct report *self, enum report_level level, const char *line);
	void *context; /* the listener's own */
};

void report_say(struct report *report, enum report_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
