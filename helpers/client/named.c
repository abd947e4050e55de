#include "client/named.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/chrystoki.h"

static bool is_below(const struct chrystoki_line *line, const char *directory, size_t length)
{
	return line->kind == CHRYSTOKI_ENTRY && line->value_length > length + 1 &&
	       strncmp(line->bytes + line->value_start, directory, length) == 0 &&
	       line->bytes[line->value_start + length] == '/';
}

int client_named_each(const char *conf, const char *client_dir, client_named_hear *hear, void *context, struct fault *f)
{
	CHRYSTOKI_AUTO parsed = { 0 };
	const size_t length = strlen(client_dir);
	int r = chrystoki_parse(&parsed, conf, strlen(conf), f);

	for (size_t i = 0; r == 0 && i < parsed.count; i++) {
		const struct chrystoki_line *line = &parsed.lines[i];
		if (!is_below(line, client_dir, length))
			continue;
		char *path = strndup(line->bytes + line->value_start + length + 1, line->value_length - length - 1);
		char *key = strndup(line->bytes + line->name_start, line->name_length);
		r = path != NULL && key != NULL ? hear(context, path, key, f) : fault_memory(f);
		free(path);
		free(key);
	}
	return r;
}
