/* A line of repair's journal of any bytes: refused, or a record that prints as a line with the same meaning. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "perms/journal.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct perms_record record, again;
	TEXT_AUTO printed = { 0 };

	must(line != NULL);
	memcpy(line, data, size);
	line[size] = '\0';
	if (record_parse(line, &record)) {
		must(record.path[0] == '/' && strstr(record.path, "/../") == NULL);
		must(record.from.mode <= 07777 && record.to.mode <= 07777);
		must(record.from.uid != UINT32_MAX && record.to.gid != UINT32_MAX);
		record_print(&record, &printed);
		must(printed.bytes[printed.length - 1] == '\n');
		printed.bytes[printed.length - 1] = '\0';
		must(record_parse(printed.bytes, &again));
		must(strcmp(again.path, record.path) == 0 && again.inode == record.inode && again.type == record.type);
		must(memcmp(&again.from, &record.from, sizeof(again.from)) == 0);
		must(memcmp(&again.to, &record.to, sizeof(again.to)) == 0);
	}
	free(line);
	return 0;
}
