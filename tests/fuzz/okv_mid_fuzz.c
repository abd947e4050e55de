/* okv_hsm_mid_upgrade with any bytes: the block comes and goes, the lines add up, nothing is read beyond the end. */
#include <stdint.h>

#include "conf/midupgrade.h"
#include "conf/script.h"
#include "wiring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void leftover_add(void *context, enum midupgrade_leftover leftover, size_t line)
{
	const size_t *lines = context;

	(void)leftover;
	must(line >= 1 && line <= *lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of just that size, so that the sanitizer sees the end. */
	char *bytes = malloc(size > 0 ? size : 1);
	SCRIPT_AUTO s = { 0 };
	TEXT_AUTO mended = { 0 };
	TEXT_AUTO twice = { 0 };
	TEXT_AUTO cleared = { 0 };
	struct fault f = { 0 };
	enum midupgrade_state state;
	size_t line, at = 0;

	memcpy(bytes, data, size);
	must(script_read(&s, bytes, size, &f) == 0);
	for (size_t i = 0; i < s.count; i++) {
		must(s.lines[i].start == at && s.lines[i].length > 0);
		at += s.lines[i].length;
	}
	must(at == size);
	must(midupgrade_look(bytes, size, "hsmusers", &state, &line, &f) == 0 && line <= s.count);
	must(midupgrade_leftovers(bytes, size, "hsmusers", leftover_add, &s.count, &f) == 0);
	must(midupgrade_clear(bytes, size, "hsmusers", &cleared, &f) == 0);
	must(assign_fix_script(bytes, size, &mended, &f) == 0);
	must(assign_fix_script(text_string(&mended), mended.length, &twice, &f) == 0);
	free(bytes);
	wiring_check(WIRING_MID, data, size);
	return 0;
}
