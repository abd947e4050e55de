/* conf/chrystoki with any bytes: given back as they were; set, unset, merged, mended without ever writing a TAB. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/chrystoki.h"
#include "conf/chrystoki_groups.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static void parse(struct chrystoki *ret_chrystoki, const void *bytes, size_t length)
{
	struct fault f = { 0 };

	must(chrystoki_parse(ret_chrystoki, bytes, length, &f) == 0);
}

static bool printed_is(const struct chrystoki *c, const void *bytes, size_t length)
{
	TEXT_AUTO out = { 0 };

	chrystoki_print(c, &out);
	return out.length == length && (length == 0 || memcmp(out.bytes, bytes, length) == 0);
}

/* A value set in every section that can be found is found there, and its line has no flaw. */
static void set_everywhere(const uint8_t *data, size_t size)
{
	CHRYSTOKI_AUTO whole = { 0 };

	parse(&whole, data, size);
	for (size_t i = 0; i < whole.count && i < 64; i++) {
		const struct chrystoki_line *line = &whole.lines[i];
		CHRYSTOKI_AUTO c = { 0 };
		struct fault f = { 0 };
		TEXT_AUTO once = { 0 };
		ptrdiff_t at;

		if (line->kind != CHRYSTOKI_OPEN)
			continue;
		const char *name = line->name;
		parse(&c, data, size);
		if (chrystoki_set(&c, name, "Planted", "a value", &f) == 0) {
			must(chrystoki_entries(&c, name, "Planted", &at) == 1);
			must(strcmp(c.lines[at].value, "a value") == 0 && strcmp(c.lines[at].name, "Planted") == 0);
			must((c.lines[at].flaws & (CHRYSTOKI_FLAW_TAB | CHRYSTOKI_FLAW_NO_SEMICOLON)) == 0);
			chrystoki_print(&c, &once);
			must(chrystoki_set(&c, name, "Planted", "a value", &f) == 0 && text_same(&c.file, &once));
			must(chrystoki_unset(&c, name, "Planted", &f) == 0 && !text_same(&c.file, &once));
		} else {
			must(f.kind == FAULT_REFUSED && printed_is(&c, data, size));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CHRYSTOKI_AUTO c = { 0 };
	CHRYSTOKI_AUTO again = { 0 };
	CHRYSTOKI_AUTO empty = { 0 };
	TEXT_AUTO once = { 0 };
	FINDING_LIST_AUTO findings = { .file = "Chrystoki.conf" };
	struct fault f = { 0 };

	parse(&c, data, size);
	must(printed_is(&c, data, size));
	for (size_t i = 0; i < c.count; i++)
		must(c.lines[i].section < (ptrdiff_t)c.count && chrystoki_flaw_text(c.lines[i].flaws) != NULL);
	chrystoki_groups_evaluate(&c, &findings);
	must(!findings.failed);
	for (size_t i = 0; i < findings.count; i++)
		must(findings.items[i].line <= c.count && findings.items[i].remedy != NULL);
	set_everywhere(data, size);

	/* Whatever can be brought over is well-formed on the other side. */
	static const char *const sections[] = { "XTC", "REST", "Misc", "LunaSA Client" };
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (chrystoki_merge(&empty, &c, sections[i], &f) < 0)
			break;
	for (size_t i = 0; i < empty.count; i++)
		must((empty.lines[i].flaws & ~(unsigned)CHRYSTOKI_FLAW_QUOTES) == 0);

	(void)chrystoki_server_add(&c, "10.0.0.9", CHRYSTOKI_PORT_DEFAULT, &f);
	(void)chrystoki_server_remove(&c, "10.0.0.9", &f);
	(void)chrystoki_group_set(&c, "label", "1,2", &f);
	(void)chrystoki_remove(&c, "Misc", &f);

	/* Mending twice is mending once. */
	must(chrystoki_fix(&c, &f) == 0);
	chrystoki_print(&c, &once);
	parse(&again, text_string(&once), once.length);
	must(chrystoki_fix(&again, &f) == 0);
	must(printed_is(&again, text_string(&once), once.length));
	return 0;
}
