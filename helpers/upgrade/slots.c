#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "upgrade/snapshot.h"

void snapshot_slots_done(struct snapshot_slots *slots)
{
	free(slots->items);
	slots->items = NULL;
	slots->count = 0;
}

void snapshot_slots_print(const struct snapshot_slots *slots, struct text *out)
{
	for (size_t i = 0; i < slots->count; i++) {
		const struct snapshot_slot *slot = &slots->items[i];
		text_add_format(out, "slot=%llu label=", (unsigned long long)slot->id);
		manifest_name_add(out, slot->label);
		text_add_string(out, " serial=");
		manifest_name_add(out, slot->serial);
		text_add_string(out, " model=");
		manifest_name_add(out, slot->model);
		text_add_char(out, '\n');
	}
}

/* "key=VALUE" at *at, up to `end` (a blank or a line feed); *at is moved behind it. */
static bool value_read(const char **at, const char *last, const char *key, char end, struct text *ret_value)
{
	const size_t length = strlen(key);

	if ((size_t)(last - *at) < length || memcmp(*at, key, length) != 0)
		return false;
	const char *value = *at + length;
	const char *stop = memchr(value, end, (size_t)(last - value));
	if (stop == NULL || !manifest_name_read(ret_value, value, (size_t)(stop - value)))
		return false;
	*at = stop + 1;
	return true;
}

static bool line_read(const char **at, const char *last, struct snapshot_slot *ret_slot)
{
	TEXT_AUTO id = { 0 };
	TEXT_AUTO label = { 0 };
	TEXT_AUTO serial = { 0 };
	TEXT_AUTO model = { 0 };
	struct fault ignored = { 0 };

	if (!value_read(at, last, "slot=", ' ', &id) || !value_read(at, last, "label=", ' ', &label) ||
	    !value_read(at, last, "serial=", ' ', &serial) || !value_read(at, last, "model=", '\n', &model) ||
	    number_parse(text_string(&id), "slot", 0, UINT64_MAX, &ret_slot->id, &ignored) < 0 ||
	    label.length >= sizeof(ret_slot->label) || serial.length >= sizeof(ret_slot->serial) ||
	    model.length >= sizeof(ret_slot->model))
		return false;
	memcpy(ret_slot->label, text_string(&label), label.length + 1);
	memcpy(ret_slot->serial, text_string(&serial), serial.length + 1);
	memcpy(ret_slot->model, text_string(&model), model.length + 1);
	return true;
}

int snapshot_slots_parse(struct snapshot_slots *ret_slots, const char *name, const char *bytes, size_t length,
			 struct fault *f)
{
	struct snapshot_slots slots = { .items = NULL };
	const char *last = bytes + length;

	for (const char *at = bytes; at < last;) {
		struct snapshot_slot *grown = realloc(slots.items, (slots.count + 1) * sizeof(slots.items[0]));
		if (grown == NULL) {
			snapshot_slots_done(&slots);
			return fault_memory(f);
		}
		slots.items = grown;
		if (!line_read(&at, last, &slots.items[slots.count])) {
			const size_t line = slots.count + 1;
			snapshot_slots_done(&slots);
			return fault_refused(f, "%s:%zu: not a line that we write", SHOWN(name), line);
		}
		slots.count++;
	}
	*ret_slots = slots;
	return 0;
}
