#include "base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static int fill(struct fault *f, enum fault_kind kind, int errnum,
						      const char *format, va_list arguments)
{
	f->kind = kind;
	f->errnum = errnum;
	if (vsnprintf(f->text, sizeof(f->text), format, arguments) < 0)
		f->text[0] = '\0';
	if (errnum != 0) {
		const size_t used = strlen(f->text);
		(void)snprintf(f->text + used, sizeof(f->text) - used, "%s%s", used > 0 ? ": " : "",
			       fault_errno_text(errnum));
	}
	return -1;
}

int fault_negative(struct fault *f, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, FAULT_NEGATIVE, 0, format, arguments);
	va_end(arguments);
	return r;
}

int fault_usage(struct fault *f, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, FAULT_USAGE, 0, format, arguments);
	va_end(arguments);
	return r;
}

int fault_refused(struct fault *f, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, FAULT_REFUSED, 0, format, arguments);
	va_end(arguments);
	return r;
}

int fault_incomplete(struct fault *f, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, FAULT_INCOMPLETE, 0, format, arguments);
	va_end(arguments);
	return r;
}

int fault_absent(struct fault *f, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, FAULT_ABSENT, 0, format, arguments);
	va_end(arguments);
	return r;
}

int fault_late(struct fault *f, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, FAULT_LATE, 0, format, arguments);
	va_end(arguments);
	return r;
}

int fault_errno(struct fault *f, int errnum, const char *format, ...)
{
	enum fault_kind kind = FAULT_SYSTEM;

	if (errnum == ENOENT || errnum == ENOTDIR)
		kind = FAULT_ABSENT;
	else if (errnum == ELOOP)
		kind = FAULT_REFUSED;

	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, kind, errnum, format, arguments);
	va_end(arguments);
	return r;
}

int fault_system(struct fault *f, int errnum, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	const int r = fill(f, FAULT_SYSTEM, errnum, format, arguments);
	va_end(arguments);
	return r;
}

int fault_memory(struct fault *f)
{
	return fault_system(f, ENOMEM, "out of memory");
}

int fault_prefix(struct fault *f, const char *format, ...)
{
	const struct fault kept = *f;
	va_list arguments;

	va_start(arguments, format);
	(void)fill(f, kept.kind, 0, format, arguments);
	va_end(arguments);
	f->errnum = kept.errnum;
	const size_t used = strlen(f->text);
	(void)snprintf(f->text + used, sizeof(f->text) - used, "%s", kept.text);
	return -1;
}

const char *fault_kind_name(enum fault_kind kind)
{
	static const char *const names[] = { "none",       "negative", "usage",  "refused",
					     "incomplete", "system",   "absent", "late" };

	return names[kind];
}

const char *fault_errno_text(int errnum)
{
	/* cmd/main.c stays in the C locale, so strerror(3) is English and needs no message catalogue. */
	const char *text = strerror(errnum);
	return text != NULL ? text : "unknown error";
}
