#include "archive/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum path_kind { PATH_IMPLIED, PATH_DIRECTORY, PATH_FILE, PATH_LINK };

/* Names are kept as hashes: equal ones would refuse an honest archive once in 10^10, and never let a copy pass. */
struct judge_path {
	uint64_t folded; /* of the path in lower case; 0: free */
	uint64_t size;   /* of a file */
	uint32_t exact;
	uint8_t kind;
	uint8_t layer;
};

struct judge_link {
	char *path, *target; /* owned */
	bool hard;
};

void judge_done(struct judge *j)
{
	free(j->paths);
	for (size_t i = 0; i < j->link_count; i++) {
		free(j->links[i].path);
		free(j->links[i].target);
	}
	free(j->links);
	*j = (struct judge)JUDGE_INIT(j->limits);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static uint32_t utf8_value(const unsigned char *at, size_t length)
{
	static const unsigned char lead[5] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t value = at[0] & lead[length];

	for (size_t i = 1; i < length; i++)
		value = value << 6 | (at[i] & 0x3f);
	return value;
}

/* Controls of both halves of Latin-1, and what makes a name look like another one on a terminal. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb);
}

static int characters_check(const unsigned char *name, size_t length, struct fault *f)
{
	for (size_t at = 0; at < length;) {
		const size_t part = text_utf8_length(name + at, length - at);
		if (part == 0)
			return fault_refused(f, "the name is not UTF-8");
		if (is_control(utf8_value(name + at, part)))
			return fault_refused(f, "control characters in the name");
		/* A path with a colon cannot be listed in PRESERVED_FILES; backslashes are separators elsewhere. */
		if (name[at] == '\\' || name[at] == ':')
			return fault_refused(f, "a backslash or colon in the name");
		at += part;
	}
	return 0;
}

/* Without "./" before and '/' behind; "" for the top itself. */
static int name_normalise(const struct member *member, char ret_path[LIMITS_PATH + 1], struct fault *f)
{
	const unsigned char *name = member->name;
	size_t length = member->name_length;
	unsigned depth = 0;

	if (length == 0)
		return fault_refused(f, "the name is empty");
	if (length > LIMITS_PATH)
		return fault_refused(f, "the name is longer than %d bytes", LIMITS_PATH);
	if (characters_check(name, length, f) < 0)
		return -1;
	if (name[0] == '/')
		return fault_refused(f, "an absolute name");
	if (name[length - 1] == '/') {
		if (member->type != MEMBER_DIRECTORY)
			return fault_refused(f, "a slash at the end of a name that is no directory's");
		length--;
	}
	if (length >= 2 && name[0] == '.' && name[1] == '/') {
		name += 2;
		length -= 2;
	} else if (length == 1 && name[0] == '.') {
		length = 0;
	}
	if (length == 0 && member->type != MEMBER_DIRECTORY)
		return fault_refused(f, "the name is the top itself");
	for (size_t at = 0; at < length;) {
		const unsigned char *slash = memchr(name + at, '/', length - at);
		const size_t part = slash != NULL ? (size_t)(slash - name) - at : length - at;
		if (part == 0 || (part == 1 && name[at] == '.'))
			return fault_refused(f, "an empty part or '.' inside the name");
		if (part == 2 && name[at] == '.' && name[at + 1] == '.')
			return fault_refused(f, "'..' in the name");
		if (part > LIMITS_COMPONENT)
			return fault_refused(f, "a part of the name is longer than %d bytes", LIMITS_COMPONENT);
		if (++depth > LIMITS_DEPTH)
			return fault_refused(f, "the name is more than %d directories deep", LIMITS_DEPTH);
		at += part + 1;
		if (at == length)
			return fault_refused(f, "an empty part or '.' inside the name");
	}
	memcpy(ret_path, name, length);
	ret_path[length] = '\0';
	return 0;
}

bool judge_resolve(const char *path, const char *target, char ret_path[LIMITS_PATH + 1])
{
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	if (target[0] == '/' || length > LIMITS_PATH)
		return false;
	memcpy(ret_path, path, length);
	for (const char *at = target; *at != '\0';) {
		const size_t part = strcspn(at, "/");
		if (part == 2 && at[0] == '.' && at[1] == '.') {
			if (length == 0)
				return false;
			while (length > 0 && ret_path[length - 1] != '/')
				length--;
			length -= length > 0;
		} else if (part > 0 && !(part == 1 && at[0] == '.')) {
			if (length + part + 1 > LIMITS_PATH)
				return false;
			if (length > 0)
				ret_path[length++] = '/';
			memcpy(ret_path + length, at, part);
			length += part;
		}
		at += part + (at[part] == '/');
	}
	ret_path[length] = '\0';
	return true;
}

/* --- the set of paths --------------------------------------------------------------------------------------------- */

static uint64_t hash(const char *bytes, size_t length, bool fold)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a, then mixed */

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (fold && c >= 'A' && c <= 'Z')
			c = (unsigned char)(c + 32);
		h = (h ^ c) * 0x100000001b3ULL;
	}
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 29;
	return h != 0 ? h : 1;
}

static struct judge_path *slot(struct judge_path *paths, size_t size, uint64_t folded)
{
	size_t at = folded & (size - 1);

	while (paths[at].folded != 0 && paths[at].folded != folded)
		at = (at + 1) & (size - 1);
	return &paths[at];
}

static const struct judge_path *path_find(const struct judge *j, const char *path, size_t length)
{
	if (j->path_size == 0)
		return NULL;
	const struct judge_path *found = slot(j->paths, j->path_size, hash(path, length, true));
	return found->folded != 0 && found->exact == (uint32_t)hash(path, length, false) ? found : NULL;
}

static int grow(struct judge *j, struct fault *f)
{
	const size_t size = j->path_size > 0 ? j->path_size * 2 : 1024;
	struct judge_path *larger = calloc(size, sizeof(*larger));

	if (larger == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < j->path_size; i++)
		if (j->paths[i].folded != 0)
			*slot(larger, size, j->paths[i].folded) = j->paths[i];
	free(j->paths);
	j->paths = larger;
	j->path_size = size;
	return 0;
}

/* The path's place in the set, made where it is new. */
static int path_enter(struct judge *j, const char *path, size_t length, struct judge_path **ret_path, bool *ret_new,
		      struct fault *f)
{
	if (j->path_count * 2 >= j->path_size && grow(j, f) < 0)
		return -1;

	const uint64_t folded = hash(path, length, true);
	struct judge_path *found = slot(j->paths, j->path_size, folded);
	const uint32_t exact = (uint32_t)hash(path, length, false);
	*ret_new = found->folded == 0;
	if (*ret_new) {
		if (++j->path_count > j->limits.entries)
			return fault_refused(f, "more entries than --max-entries allows (%llu)",
					     (unsigned long long)j->limits.entries);
		found->folded = folded;
		found->exact = exact;
	} else if (found->exact != exact) {
		return fault_refused(f, "the name differs from another one only in upper and lower case");
	}
	*ret_path = found;
	return 0;
}

static int parents_enter(struct judge *j, const char *path, unsigned layer, struct fault *f)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		struct judge_path *parent;
		bool new;
		if (path_enter(j, path, (size_t)(slash - path), &parent, &new, f) < 0)
			return -1;
		if (new) {
			parent->kind = PATH_IMPLIED;
			parent->layer = (uint8_t)layer;
		} else if (parent->kind == PATH_LINK) {
			return fault_refused(f, "the name passes through a link");
		} else if (parent->kind == PATH_FILE) {
			return fault_refused(f, "a file where a directory must be");
		}
	}
	return 0;
}

/* --- members ------------------------------------------------------------------------------------------------------ */

static int type_check(const struct member *member, struct fault *f)
{
	switch (member->type) {
	case MEMBER_FILE:
	case MEMBER_DIRECTORY:
	case MEMBER_LINK:
	case MEMBER_HARD_LINK:
		break;
	case MEMBER_DEVICE:
		return fault_refused(f, "a device");
	case MEMBER_FIFO:
		return fault_refused(f, "a FIFO");
	case MEMBER_SOCKET:
		return fault_refused(f, "a socket");
	case MEMBER_SPARSE:
		return fault_refused(f, "a sparse file");
	case MEMBER_UNKNOWN:
		return fault_refused(f, "a member of an unknown type");
	}
	return (member->mode & 06000) != 0 ? fault_refused(f, "set-id bits") : 0;
}

static int bytes_add(struct judge *j, uint64_t size, struct fault *f)
{
	j->bytes = size <= UINT64_MAX - j->bytes ? j->bytes + size : UINT64_MAX;
	return limits_check_bytes(&j->limits, j->bytes, f);
}

static const struct judge_link *link_find(const struct judge *j, const char *path, bool hard)
{
	for (size_t i = 0; i < j->link_count; i++)
		if (j->links[i].hard == hard && strcmp(j->links[i].path, path) == 0)
			return &j->links[i];
	return NULL;
}

static int link_note(struct judge *j, const char *path, const struct member *member, struct fault *f)
{
	const char *target = (const char *)member->target;
	const size_t length = member->target_length;
	const bool hard = member->type == MEMBER_HARD_LINK;
	char resolved[LIMITS_PATH + 1];

	if (j->link_count >= LIMITS_LINK_COUNT)
		return fault_refused(f, "more than %d links", LIMITS_LINK_COUNT);
	if (length == 0)
		return fault_refused(f, "a link to nothing");
	if (length > LIMITS_PATH)
		return fault_refused(f, "a link target longer than %d bytes", LIMITS_PATH);
	if (target[0] == '/')
		return fault_refused(f, "a link to an absolute name");
	if (memchr(target, '\0', length) != NULL || characters_check(member->target, length, f) < 0)
		return fault_refused(f, "a link target with control characters, or not UTF-8");

	/* A hard link names a member from the top, as members are named. */
	struct judge_link link = { .hard = hard, .path = strdup(path) };
	if (hard) {
		const struct member named = { .type = MEMBER_FILE, .name = member->target, .name_length = length };
		if (name_normalise(&named, resolved, f) < 0) {
			free(link.path);
			return fault_prefix(f, "a hard link's target: ");
		}
		const struct judge_path *found = path_find(j, resolved, strlen(resolved));
		if (found == NULL || found->kind != PATH_FILE || strcmp(resolved, path) == 0) {
			free(link.path);
			return fault_refused(f, "a hard link to what is no file of this archive before it");
		}
		const struct judge_link *further = link_find(j, resolved, true);
		if (further != NULL)
			memcpy(resolved, further->target, strlen(further->target) + 1);
		/* It becomes a copy, so it takes the room of one. */
		if (bytes_add(j, found->size, f) < 0) {
			free(link.path);
			return -1;
		}
		slot(j->paths, j->path_size, hash(path, strlen(path), true))->size = found->size;
		link.target = strdup(resolved);
	} else {
		link.target = strndup(target, length);
	}
	if ((j->link_count & (j->link_count - 1)) == 0) {
		const size_t size = j->link_count > 0 ? j->link_count * 2 : 1;
		struct judge_link *more = realloc(j->links, size * sizeof(*more));
		if (more != NULL)
			j->links = more;
		else
			free(link.path), link.path = NULL;
	}
	if (link.path == NULL || link.target == NULL) {
		free(link.path);
		free(link.target);
		return fault_memory(f);
	}
	if (!hard && !judge_resolve(path, link.target, resolved)) {
		free(link.path);
		free(link.target);
		return fault_refused(f, "a link that leads out of the tree");
	}
	j->links[j->link_count++] = link;
	return 0;
}

int judge_member(struct judge *j, const struct member *member, unsigned layer, char ret_path[LIMITS_PATH + 1],
		 enum judge_verdict *ret_verdict, struct fault *f)
{
	struct judge_path *entry;
	bool new;

	if (type_check(member, f) < 0 || name_normalise(member, ret_path, f) < 0)
		return -1;
	if (ret_path[0] == '\0') {
		*ret_verdict = JUDGE_NOTHING;
		return 0;
	}
	if (parents_enter(j, ret_path, layer, f) < 0 || path_enter(j, ret_path, strlen(ret_path), &entry, &new, f) < 0)
		return -1;

	enum path_kind kind = PATH_LINK;
	if (member->type == MEMBER_DIRECTORY)
		kind = PATH_DIRECTORY;
	else if (member->type == MEMBER_FILE || member->type == MEMBER_HARD_LINK)
		kind = PATH_FILE;
	*ret_verdict = JUDGE_PLACE;
	if (!new) {
		const bool was_directory = entry->kind == PATH_DIRECTORY || entry->kind == PATH_IMPLIED;
		if (was_directory != (kind == PATH_DIRECTORY))
			return fault_refused(f, was_directory ? "a file where a directory must be"
							      : "a directory where a file is");
		if (entry->layer > layer && entry->kind != PATH_IMPLIED) {
			*ret_verdict = JUDGE_COVERED;
			return 0;
		}
		/* Implied before, named now: once.  Directories of an outer archive may come again in an inner one. */
		if (entry->kind != PATH_IMPLIED && !(kind == PATH_DIRECTORY && entry->layer != layer))
			return fault_refused(f, "the name comes twice");
	}
	entry->kind = (uint8_t)kind;
	entry->layer = (uint8_t)layer;
	if (member->type == MEMBER_FILE) {
		entry->size = member->size;
		if (bytes_add(j, member->size, f) < 0)
			return -1;
	}
	return member->type == MEMBER_LINK || member->type == MEMBER_HARD_LINK ? link_note(j, ret_path, member, f) : 0;
}

/* --- links, when all is known ------------------------------------------------------------------------------------- */

static bool through_link(const struct judge *j, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		const struct judge_path *parent = path_find(j, path, (size_t)(slash - path));
		if (parent != NULL && parent->kind == PATH_LINK)
			return true;
	}
	return false;
}

/* Every step on the way, "a/../b" included, is one of the tree's own directories: ".." after a link is a lie. */
static bool steps_are_plain(const struct judge *j, const char *path, const char *target)
{
	char part[LIMITS_PATH + 1], resolved[LIMITS_PATH + 1];

	for (const char *slash = strchr(target, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		memcpy(part, target, (size_t)(slash - target));
		part[slash - target] = '\0';
		if (!judge_resolve(path, part, resolved))
			return false;
		const struct judge_path *step = path_find(j, resolved, strlen(resolved));
		if (resolved[0] != '\0' && (step == NULL || step->kind == PATH_LINK || step->kind == PATH_FILE))
			return false;
	}
	return true;
}

static bool holds(const char *directory, const char *path)
{
	const size_t length = strlen(directory);

	return length == 0 || (strncmp(directory, path, length) == 0 && path[length] == '/');
}

static int link_check(const struct judge *j, const struct judge_link *first, struct fault *f)
{
	const struct judge_link *link = first;
	char resolved[LIMITS_PATH + 1];

	for (unsigned passed = 0; passed < LIMITS_LINKS; passed++) {
		if (!judge_resolve(link->path, link->target, resolved))
			return fault_refused(f, "member '%s': a link that leads out of the tree", SHOWN(first->path));
		if (!steps_are_plain(j, link->path, link->target) || through_link(j, resolved))
			return fault_refused(f, "member '%s': a link that leads through another link, or through what "
						"is no directory", SHOWN(first->path));
		if (holds(resolved, link->path))
			return fault_refused(f, "member '%s': a link to a directory that holds it", SHOWN(first->path));
		const struct judge_path *found = path_find(j, resolved, strlen(resolved));
		if (found == NULL)
			return fault_refused(f, "member '%s': a link to '%s', which the archive does not hold",
					     SHOWN(first->path), SHOWN(resolved));
		if (found->kind != PATH_LINK)
			return 0;
		link = link_find(j, resolved, false);
		if (link == NULL)
			break;
	}
	return fault_refused(f, "member '%s': a link that comes to no end", SHOWN(first->path));
}

const char *judge_last_target(const struct judge *j)
{
	return j->links[j->link_count - 1].target;
}

int judge_links(const struct judge *j, struct fault *f)
{
	for (size_t i = 0; i < j->link_count; i++)
		if (!j->links[i].hard && link_check(j, &j->links[i], f) < 0)
			return -1;
	return 0;
}
