#include "upgrade/machine.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "fs/read.h"
#include "okv/release.h"

enum { LINE_MAX_SIZE = 4096 };

void machine_done(struct machine *m)
{
	free(m->uuid);
	free(m->host);
	free(m->os);
	free(m->okv);
	*m = (struct machine){ 0 };
}

char *machine_value(const struct text *t)
{
	char *value = strdup(text_string(t));

	for (char *at = value; at != NULL && *at != '\0'; at++)
		if (*at == '"' || (unsigned char)*at < ' ' || (unsigned char)*at > '~')
			*at = '?';
	return value;
}

/* The first line of a small file, without blanks around; nothing where there is none. */
static void line_read(int root, const char *path, struct text *out)
{
	TEXT_AUTO file = { 0 };
	struct fault ignored = { 0 };
	struct text_line line;
	size_t at = 0;

	if (fs_read_file(root, path, FS_FOLLOW_TRUSTED, LINE_MAX_SIZE, &file, NULL, &ignored) < 0 ||
	    !text_line_next(file.bytes, file.length, &at, &line))
		return;
	while (line.length > 0 && isspace((unsigned char)line.bytes[line.length - 1]))
		line.length--;
	for (; line.length > 0 && isspace((unsigned char)*line.bytes); line.length--)
		line.bytes++;
	text_add(out, line.bytes, line.length);
}

static void uuid_find(int root, struct text *out)
{
	TEXT_AUTO line = { 0 };
	size_t digits = 0, others = 0;
	int first = 0;

	line_read(root, "/sys/class/dmi/id/product_uuid", &line);
	for (const char *at = text_string(&line); *at != '\0'; at++) {
		const int digit = tolower((unsigned char)*at);
		if (!isxdigit(digit))
			continue;
		first = digits++ == 0 ? digit : first;
		others += digit != first;
		text_add_char(out, (char)digit);
	}
	if (digits != 32 || others == 0)
		text_cut(out, 0);
}

/* A tree that is not running has its name in a file only. */
static void host_find(int root, struct text *out)
{
	struct stat here, top;
	struct utsname system;

	line_read(root, "/etc/hostname", out);
	if (out->length == 0 && fstat(root, &here) == 0 && stat("/", &top) == 0 && here.st_ino == top.st_ino &&
	    here.st_dev == top.st_dev && uname(&system) == 0)
		text_add_string(out, system.nodename);
}

int machine_find(int root, struct machine *ret_machine, struct fault *f)
{
	TEXT_AUTO uuid = { 0 };
	TEXT_AUTO host = { 0 };
	TEXT_AUTO os = { 0 };
	TEXT_AUTO okv = { 0 };
	MACHINE_AUTO m = { 0 };

	uuid_find(root, &uuid);
	host_find(root, &host);
	okv_release_find(root, &os, &okv);
	m.uuid = machine_value(&uuid);
	m.host = machine_value(&host);
	m.os = machine_value(&os);
	m.okv = machine_value(&okv);
	if (m.uuid == NULL || m.host == NULL || m.os == NULL || m.okv == NULL)
		return fault_memory(f);
	*ret_machine = m;
	m = (struct machine){ 0 };
	return 0;
}

bool machine_same(const struct machine *a, const struct machine *b)
{
	if (a->uuid[0] != '\0' && b->uuid[0] != '\0')
		return strcmp(a->uuid, b->uuid) == 0;
	return strcmp(a->host, b->host) == 0;
}

bool machine_upgraded(const struct machine *before, const struct machine *now, struct text *out)
{
	const char *const pairs[][2] = { { before->os, now->os }, { before->okv, now->okv } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i][0][0] == '\0' || pairs[i][1][0] == '\0' || strcmp(pairs[i][0], pairs[i][1]) == 0)
			continue;
		text_add_format(out, "this server runs '%s' now, and ran '%s' when pre-upgrade prepared it",
				pairs[i][1], pairs[i][0]);
		return true;
	}
	return false;
}
