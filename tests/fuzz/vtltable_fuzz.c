/* hsm/table: whatever vtl prints is read; and what we write of it is read back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { ROWS = 8 };
	struct hsm_row rows[ROWS], again[ROWS];
	struct hsm_slot slots[ROWS];
	TEXT_AUTO out = { 0 };
	const int count = hsm_table_read((const char *)data, size, rows, ROWS);
	const size_t kept = count < 0 ? 0 : count < ROWS ? (size_t)count : ROWS;

	memset(slots, 0, sizeof(slots));
	for (size_t i = 0; i < kept; i++) {
		slots[i].id = rows[i].id;
		slots[i].present = rows[i].present;
		memcpy(slots[i].description, rows[i].description, sizeof(rows[i].description));
		memcpy(slots[i].label, rows[i].label, sizeof(rows[i].label));
		memcpy(slots[i].serial, rows[i].serial, sizeof(slots[i].serial));
		slots[i].serial[sizeof(slots[i].serial) - 1] = '\0';
	}
	const struct hsm_answer answer = { .slots = slots, .slot_count = kept };
	hsm_table(&answer, &out);
	if (out.failed || memchr(text_string(&out), '\0', out.length) != NULL)
		abort();
	if (hsm_table_read(text_string(&out), out.length, again, ROWS) != (int)kept)
		abort();
	for (size_t i = 0; i < kept; i++)
		if (again[i].id != slots[i].id || again[i].present != slots[i].present)
			abort();
	return 0;
}
