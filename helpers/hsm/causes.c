#include "hsm/causes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void hsm_causes_done(struct hsm_causes *causes)
{
	for (size_t i = 0; i < causes->count; i++) {
		free(causes->items[i].sentence);
		free(causes->items[i].command);
	}
	free(causes->items);
	*causes = (struct hsm_causes){ 0 };
}

int hsm_causes_add(struct hsm_causes *causes, const char *command, struct fault *f, const char *format, ...)
{
	char sentence[FAULT_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	if (!ARRAY_GROW(causes->items, causes->count))
		return fault_memory(f);
	struct hsm_cause *cause = &causes->items[causes->count++];
	*cause =
		(struct hsm_cause){ .sentence = strdup(sentence), .command = command != NULL ? strdup(command) : NULL };
	return cause->sentence == NULL || (command != NULL && cause->command == NULL) ? fault_memory(f) : 0;
}
