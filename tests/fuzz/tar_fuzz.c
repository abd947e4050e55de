/* client/archive/tar and client/archive/judge with any bytes: what they let pass is plain, within the limits and named once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/archive/judge.h"
#include "client/archive/tar.h"
#include "base/text.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static void path_check(const char *path)
{
	const size_t length = strlen(path);

	must(length > 0 && length <= LIMITS_PATH && path[0] != '/' && path[length - 1] != '/');
	must(strstr(path, "//") == NULL);
	for (size_t at = 0, step; at < length; at += step)
		must((step = text_utf8_length(path + at, length - at)) > 0);
	for (const char *at = path; at != NULL; at = strchr(at, '/')) {
		at += *at == '/';
		const size_t part = strcspn(at, "/");
		must(part <= LIMITS_COMPONENT && !text_equal(at, part, "..") && !text_equal(at, part, "."));
	}
}

static uint64_t content_read(struct tar *tar, struct fault *f)
{
	const unsigned char *bytes;
	uint64_t all = 0;
	size_t length;

	do {
		if (tar_content(tar, &bytes, &length, f) < 0)
			return UINT64_MAX;
		all += length;
	} while (length > 0);
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tar tar;
	const struct limits limits = { .bytes = 1 << 20, .entries = 200, .room = UINT64_MAX };
	struct judge judge = JUDGE_INIT(limits);
	struct pieces p = { .stream = { .more = pieces_more }, .piece = 1 };
	struct fault f = { 0 };
	struct member m;
	uint64_t bytes = 0;

	if (size == 0)
		return 0;
	/* The first byte says how large. */
	p.piece = data[0] == 0 ? 4096 : data[0];
	p.next = p.stream.at = p.stream.end = data + 1;
	p.end = data + size;
	tar_start(&tar, &p.stream);
	int r;
	while ((r = tar_next(&tar, &m, &f)) > 0) {
		char path[LIMITS_PATH + 1];
		enum judge_verdict verdict;
		must(m.name_length <= LIMITS_PATH + 1 && m.target_length <= LIMITS_PATH + 1);
		if ((r = judge_member(&judge, &m, 0, path, &verdict, &f)) < 0)
			break;
		must(verdict != JUDGE_COVERED);
		if (verdict == JUDGE_PLACE)
			path_check(path);
		must((m.mode & 06000) == 0);
		must(m.type == MEMBER_FILE || m.type == MEMBER_DIRECTORY || m.type == MEMBER_LINK ||
		     m.type == MEMBER_HARD_LINK);
		if (m.type != MEMBER_FILE)
			continue;
		const uint64_t got = content_read(&tar, &f);
		if (got == UINT64_MAX) {
			r = -1;
			break;
		}
		must(got == m.size);
		bytes += got;
	}
	if (r == 0) {
		/* To the very last byte, and no more than was allowed. */
		must(p.next == p.end && p.stream.at == p.stream.end && bytes <= limits.bytes);
		(void)judge_links(&judge, &f);
	} else {
		must(f.kind == FAULT_REFUSED && f.text[0] != '\0');
	}
	judge_done(&judge);
	return 0;
}
