/* conf/assign with any bytes: given back as they were, and still so around a line that is set and removed again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static bool printed_is(const struct assign *a, const void *bytes, size_t length)
{
	TEXT_AUTO out = { 0 };

	assign_print(a, &out);
	return out.length == length && (length == 0 || memcmp(out.bytes, bytes, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ASSIGN_AUTO a = { 0 };
	struct fault f = { 0 };
	bool changed;

	must(assign_parse(&a, (const char *)data, size, &f) == 0);
	must(printed_is(&a, data, size));

	/* Every well-formed line is found and can be written back as it is. */
	for (size_t i = 0; i < a.count; i++) {
		if (a.lines[i].kind != ASSIGN_VALUE)
			continue;
		const char *name = a.lines[i].name, *value = assign_value(&a, name);
		must(memcmp(a.lines[i].bytes, name, strlen(name)) == 0);
		must(value != NULL && assign_count(&a, name) > 0);
		must(assign_set(&a, name, value, &changed, &f) == 0 && !changed);
	}
	must(printed_is(&a, data, size));

	if (assign_count(&a, "PLANTED") > 0)
		return 0;
	must(assign_set(&a, "PLANTED", "x", &changed, &f) == 0 && changed);
	must(assign_unset(&a, "PLANTED", &f) == 0);
	/* At most the line feed that was missing at the end is new. */
	const bool complete = size == 0 || data[size - 1] == '\n';
	TEXT_AUTO wanted = { 0 };
	text_add(&wanted, data, size);
	if (!complete)
		text_add_char(&wanted, '\n');
	must(printed_is(&a, wanted.bytes, wanted.length));
	return 0;
}
