#include "perms/output.h"

#include <stdarg.h>
#include <stdio.h>

enum { SENTENCE_SIZE = 3 * TEXT_SHOWN_MAX };

size_t perms_tally_left(const struct perms_tally *tally)
{
	size_t left = 0;

	for (size_t i = 0; i < PERMS_LEFT_KINDS; i++)
		left += tally->left[i];
	return left;
}

void perms_leave(const struct perms_output *output, struct perms_tally *tally, enum perms_left why, const char *path,
		 const char *format, ...)
{
	char sentence[SENTENCE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	tally->left[why]++;
	if (output->left != NULL)
		output->left(output->context, why, path);
	report_say(output->report, REPORT_WARNING, "%s", sentence);
}
