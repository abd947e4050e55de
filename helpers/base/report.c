#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void report_say(struct report *report, enum report_level level, const char *format, ...)
{
	if (report == NULL || report->on_line == NULL)
		return;

	va_list arguments;
	char *line = NULL;
	va_start(arguments, format);
	const int length = vasprintf(&line, format, arguments);
	va_end(arguments);
	/* If memory runs out, the format string alone still tells what happened. */
	report->on_line(report, level, length >= 0 ? line : format);
	if (length >= 0)
		free(line);
}
