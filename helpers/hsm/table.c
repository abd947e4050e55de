#include "hsm/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The widths of vtl of client 7 and 10. */
enum { SLOT_WIDTH = 4, DESCRIPTION_WIDTH = 20, LABEL_WIDTH = 32, SERIAL_WIDTH = 16, STATUS_WIDTH = 12 };

/* Made printable, cut to the width and padded to it; a character of UTF-8 is one column. */
static void cell(struct text *out, const char *string, size_t width)
{
	size_t columns = 0;

	for (const char *at = string; *at != '\0';) {
		size_t step = text_utf8_length(at, strlen(at));
		char hex[8];
		const char *piece = at;
		size_t size = step, wide = 1;
		if (step == 0 || (step == 1 && ((unsigned char)at[0] < 0x20 || at[0] == 0x7f))) {
			wide = size = (size_t)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned)(unsigned char)at[0]);
			piece = hex;
			step = 1;
		}
		if (columns + wide > width)
			break;
		text_add(out, piece, size);
		columns += wide;
		at += step;
	}
	for (; columns < width; columns++)
		text_add_char(out, ' ');
	text_add_char(out, ' ');
}

static void rule(struct text *out, size_t width, char end)
{
	for (size_t i = 0; i < width; i++)
		text_add_char(out, '=');
	text_add_char(out, end);
}

static int slot_width(const struct hsm_answer *answer)
{
	int width = SLOT_WIDTH;

	for (size_t i = 0; i < answer->slot_count; i++) {
		const int digits = snprintf(NULL, 0, "%" PRIu64, answer->slots[i].id);
		width = digits > width ? digits : width;
	}
	return width;
}

void hsm_table(const struct hsm_answer *answer, struct text *out)
{
	const int width = slot_width(answer);

	text_add_format(out, "Number of slots: %zu\n", answer->slot_count);
	if (answer->slot_count == 0)
		return;
	text_add_format(out, "\nThe following slots were found:\n\n%-*s ", width, "Slot");
	cell(out, "Description", DESCRIPTION_WIDTH);
	cell(out, "Label", LABEL_WIDTH);
	cell(out, "Serial #", SERIAL_WIDTH);
	text_add_string(out, "Status\n");
	rule(out, (size_t)width, ' ');
	rule(out, DESCRIPTION_WIDTH, ' ');
	rule(out, LABEL_WIDTH, ' ');
	rule(out, SERIAL_WIDTH, ' ');
	rule(out, STATUS_WIDTH, '\n');
	for (size_t i = 0; i < answer->slot_count; i++) {
		const struct hsm_slot *slot = &answer->slots[i];
		const char *none = slot->present ? NULL : "-";
		text_add_format(out, "%*" PRIu64 " ", width, slot->id);
		cell(out, none != NULL ? none : slot->description, DESCRIPTION_WIDTH);
		cell(out, none != NULL ? none : slot->label, LABEL_WIDTH);
		cell(out, none != NULL ? none : slot->serial, SERIAL_WIDTH);
		text_add_string(out, slot->present ? "Present\n" : "Not present\n");
	}
}
