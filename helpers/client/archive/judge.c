#include "client/archive/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"

struct judge_link {
	char *path, *target; /* owned */
	bool hard;
};

enum { IMPLIED = MEMBER_UNKNOWN };

#define WITHOUT_LINK "; pack it again with what it leads to (tar -h)"

/* --- the set of paths --------------------------------------------------------------------------------------------- */

/*
 * Two paths with the same hash count as one: that refuses an honest archive once in 10^10 times, and never lets a
 * second file pass.
 */
struct judge_path {
	uint64_t folded; /* hash of the path in lower case; 0: free slot */
	uint64_t size;   /* of a file */
	uint32_t exact;  /* hash of the path as spelt */
	uint8_t type;    /* enum member_type; IMPLIED for a directory without a member of its own */
	uint8_t layer;
};

/*
 * Lower case for the scripts that file names plausibly use: Latin, Greek, Cyrillic (Unicode's simple case folding).  On
 * a file system that ignores case two such names would be one file.
 */
static uint32_t fold(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
	    (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	switch (c) {
	case 0x178:
		return 0xff;
	case 0x17f:
		return 's';
	case 0x3c2:
		return 0x3c3;
	case 0x212a:
		return 'k';
	default:
		return c;
	}
}

/* FNV-1a over characters, then mixed. */
static uint64_t hash(const char *bytes, size_t length, bool folded)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t at = 0; at < length;) {
		uint32_t c = (unsigned char)bytes[at]; /* not UTF-8; names are, they were checked */
		const size_t step = text_utf8_next(bytes + at, length - at, &c);
		at += step > 0 ? step : 1;
		h = (h ^ (folded ? fold(c) : c)) * 0x100000001b3ULL;
	}
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 29;
	return h != 0 ? h : 1;
}

static bool is_directory(const struct judge_path *path)
{
	return path->type == MEMBER_DIRECTORY || path->type == IMPLIED;
}

static struct judge_path *slot(struct judge_path *entries, size_t size, uint64_t folded)
{
	size_t at = folded & (size - 1);

	while (entries[at].folded != 0 && entries[at].folded != folded)
		at = (at + 1) & (size - 1);
	return &entries[at];
}

/* NULL if it is not in the set. */
static struct judge_path *paths_find(const struct judge *j, const char *path, size_t length)
{
	if (j->path_size == 0)
		return NULL;
	struct judge_path *found = slot(j->paths, j->path_size, hash(path, length, true));
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

/* Finds or adds the path's entry; valid until the next one is added. */
static int paths_enter(struct judge *j, const char *path, size_t length, struct judge_path **ret_entry, bool *ret_new,
		       struct fault *f)
{
	if (j->path_count * 2 >= j->path_size && grow(j, f) < 0)
		return -1;

	const uint64_t folded = hash(path, length, true);
	struct judge_path *found = slot(j->paths, j->path_size, folded);
	const uint32_t exact = (uint32_t)hash(path, length, false);
	*ret_new = found->folded == 0;
	if (*ret_new) {
		if (j->path_count >= j->limits.entries)
			return fault_refused(f, "more entries than --max-entries allows (%llu)",
					     (unsigned long long)j->limits.entries);
		j->path_count++;
		found->folded = folded;
		found->exact = exact;
	} else if (found->exact != exact) {
		return fault_refused(f, "the name differs from another one only in upper and lower case; rename one of "
					"them, and pack it again");
	}
	*ret_entry = found;
	return 0;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int name_characters_check(const unsigned char *name, size_t length, struct fault *f)
{
	for (size_t at = 0; at < length;) {
		uint32_t character;
		const size_t part = text_utf8_next(name + at, length - at, &character);
		if (part == 0)
			return fault_refused(f, "the name is not UTF-8; rename it, and pack it again");
		if (text_is_deceptive(character))
			return fault_refused(f, "control characters in the name; rename it, and pack it again");
		if (name[at] == '\\')
			return fault_refused(f, "a backslash in the name; pack it again with '/' between directories");
		at += part;
	}
	return 0;
}

/* Removes the prefix, a leading "./" and a trailing '/'; "" for the top itself. */
static int name_normalise(const struct judge *j, const struct member *member, char ret_path[LIMITS_PATH + 1],
			  struct fault *f)
{
	const unsigned char *name = member->name;
	size_t length = member->name_length;
	unsigned depth = 0;

	if (length == 0)
		return fault_refused(f, "the name is empty");
	if (strlen(j->prefix) + length > LIMITS_PATH)
		return fault_refused(f, "the name is longer than %d bytes", LIMITS_PATH);
	if (name_characters_check(name, length, f) < 0)
		return -1;
	/* "/" alone is the top: Python's tarfile writes it if it is given no name. */
	if (name[0] == '/' && !(length == 1 && member->type == MEMBER_DIRECTORY))
		return fault_refused(f, "an absolute name; pack it again with relative ones (tar without -P)");
	if (length > 1 && name[1] == ':')
		return fault_refused(f, "a drive letter before the name");
	if (name[length - 1] == '/') {
		if (member->type != MEMBER_DIRECTORY)
			return fault_refused(f, "a slash at the end of a name that is not a directory's");
		length--;
	}
	/* "tar -cf x.tar $DIR/NAME" with a DIR of "./" makes ".//NAME". */
	while (length >= 2 && name[0] == '.' && name[1] == '/')
		for (name++, length--; length > 0 && name[0] == '/'; length--)
			name++;
	if (length == 1 && name[0] == '.')
		length = 0;
	if (length == 0 && member->type != MEMBER_DIRECTORY)
		return fault_refused(f, "the name is the top directory itself");
	(void)snprintf(ret_path, LIMITS_PATH + 1, "%s%.*s", length > 0 ? j->prefix : "", (int)length,
		       (const char *)name);
	for (const char *at = ret_path; length > 0; at++) {
		const size_t part = strcspn(at, "/");
		if (part == 0 || (part == 1 && at[0] == '.'))
			return fault_refused(f, "an empty part or '.' inside the name");
		if (part == 2 && at[0] == '.' && at[1] == '.')
			return fault_refused(f, "'..' in the name; pack it again from the directory that holds it");
		if (part > LIMITS_COMPONENT)
			return fault_refused(f, "a part of the name is longer than %d bytes", LIMITS_COMPONENT);
		if (++depth > LIMITS_DEPTH)
			return fault_refused(f, "the name is more than %d directories deep", LIMITS_DEPTH);
		at += part;
		if (*at == '\0')
			break;
	}
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

static void link_done(struct judge_link *link)
{
	free(link->path);
	free(link->target);
}

void judge_done(struct judge *j)
{
	free(j->paths);
	for (size_t i = 0; i < j->link_count; i++)
		link_done(&j->links[i]);
	free(j->links);
	text_done(&j->lost);
	*j = (struct judge)JUDGE_INIT(j->limits);
}

/* --- members ------------------------------------------------------------------------------------------------------ */

static int parents_enter(struct judge *j, const char *path, struct fault *f)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		struct judge_path *parent;
		bool added;
		if (paths_enter(j, path, (size_t)(slash - path), &parent, &added, f) < 0)
			return -1;
		if (added) {
			parent->type = IMPLIED;
			parent->layer = (uint8_t)j->layer;
		} else if (parent->type == MEMBER_LINK) {
			return fault_refused(f, "the name passes through a link");
		} else if (!is_directory(parent)) {
			return fault_refused(f, "a file where a directory must be");
		}
	}
	return 0;
}

static int type_check(const struct member *member, struct fault *f)
{
	switch (member->type) {
	case MEMBER_FILE:
	case MEMBER_ARCHIVE:
	case MEMBER_LINK:
	case MEMBER_HARD_LINK:
		break;
	case MEMBER_DIRECTORY:
		/* A client in use has such modes, and on a directory they execute nothing. */
		return 0;
	case MEMBER_DEVICE:
		return fault_refused(f, "a device; leave it out, and pack the rest again");
	case MEMBER_FIFO:
		return fault_refused(f, "a FIFO; leave it out, and pack the rest again");
	case MEMBER_SOCKET:
		return fault_refused(f, "a socket; leave it out, and pack the rest again");
	case MEMBER_SPARSE:
		return fault_refused(f, "a sparse file; pack it again without holes (tar without --sparse)");
	case MEMBER_UNKNOWN:
		return fault_refused(f, "a member of an unknown type");
	}
	return (member->mode & 06000) != 0
		       ? fault_refused(f, "set-id bits on a file; take them off ('chmod ug-s') and pack it again")
		       : 0;
}

static int bytes_add(struct judge *j, uint64_t size, struct fault *f)
{
	j->bytes = size <= UINT64_MAX - j->bytes ? j->bytes + size : UINT64_MAX;
	if (j->bytes > j->limits.bytes)
		return fault_refused(f, "larger unpacked than --max-bytes allows (%llu)",
				     (unsigned long long)j->limits.bytes);
	if (j->bytes > j->limits.room)
		return fault_system(f, ENOSPC, "unpacked, it needs more than the %llu bytes that are free for it",
				    (unsigned long long)j->limits.room);
	return 0;
}

static const struct judge_link *link_find(const struct judge *j, const char *path)
{
	for (size_t i = 0; i < j->link_count; i++)
		if (strcmp(j->links[i].path, path) == 0)
			return &j->links[i];
	return NULL;
}

/*
 * A hard link names a member by its path from the top, and becomes a copy.  A hard link to a symbolic link is accepted
 * only if it is that link itself, which GNU tar writes when it meets a file again.
 */
static int hard_target_find(const struct judge *j, const struct member *member, const char *path,
			    char ret_target[LIMITS_PATH + 1], uint64_t *ret_size, struct fault *f)
{
	const struct member named = { .type = MEMBER_FILE,
				      .name = member->target,
				      .name_length = member->target_length };

	if (name_normalise(j, &named, ret_target, f) < 0)
		return fault_prefix(f, "a hard link's target: ");
	const struct judge_path *found = paths_find(j, ret_target, strlen(ret_target));
	if (found == NULL || (found->type != MEMBER_FILE && found->type != MEMBER_HARD_LINK &&
			      (found->type != MEMBER_LINK || strcmp(ret_target, path) != 0)))
		return fault_refused(f, "a hard link to something that is not an earlier file of this archive");
	const struct judge_link *further = found->type == MEMBER_HARD_LINK ? link_find(j, ret_target) : NULL;
	if (further != NULL)
		memcpy(ret_target, further->target, strlen(further->target) + 1);
	*ret_size = found->size;
	return 0;
}

static int link_keep(struct judge *j, const char *path, const char *target, bool hard, struct fault *f)
{
	struct judge_link link = { .path = strdup(path), .target = strdup(target), .hard = hard };

	if (link.path == NULL || link.target == NULL || !ARRAY_GROW(j->links, j->link_count)) {
		link_done(&link);
		return fault_memory(f);
	}
	j->links[j->link_count++] = link;
	return 0;
}

/* The part of an absolute target below the client's own directory; NULL if it is elsewhere. */
static const char *own_part(const struct judge *j, const char *target)
{
	const size_t length = j->own_place != NULL ? strlen(j->own_place) : 0;

	return length > 0 && strncmp(target, j->own_place, length) == 0 && target[length] == '/' ? target + length + 1
												 : NULL;
}

/* Checks a symbolic link's target as far as that is possible without the other members. */
static int target_check(const struct judge *j, const struct member *member, const char *path,
			char ret_target[LIMITS_PATH + 1], struct fault *f)
{
	char resolved[LIMITS_PATH + 1];
	const size_t length = member->target_length;

	if (length == 0)
		return fault_refused(f, "a link to nothing");
	if (length > LIMITS_PATH)
		return fault_refused(f, "a link target longer than %d bytes", LIMITS_PATH);
	if (name_characters_check(member->target, length, f) < 0)
		return fault_prefix(f, "a link's target: ");
	memcpy(ret_target, member->target, length);
	ret_target[length] = '\0';
	if (ret_target[0] == '/')
		return own_part(j, ret_target) != NULL ? 0
						       : fault_refused(f,
								       "a link to an absolute path outside the "
								       "client's directory '%s'; make it relative",
								       j->own_place != NULL ? SHOWN(j->own_place) : "");
	return judge_resolve(path, ret_target, resolved)
		       ? 0
		       : fault_refused(f, "a link that leads out of the tree" WITHOUT_LINK);
}

/* Judges a repeated name: packers name a directory twice, and then everything in it as well. */
static int again_judge(const struct judge *j, const struct member *member, const char *path, const char *target,
		       const struct judge_path *entry, enum judge_verdict *ret_verdict, struct fault *f)
{
	const bool was_directory = is_directory(entry);

	*ret_verdict = JUDGE_NOTHING;
	if (was_directory != (member->type == MEMBER_DIRECTORY))
		return fault_refused(f, was_directory ? "a file where a directory must be"
						      : "a directory where a file is");
	if (was_directory) {
		*ret_verdict = entry->type == IMPLIED ? JUDGE_PLACE : JUDGE_NOTHING;
		return 0;
	}
	if (entry->layer > j->layer) {
		*ret_verdict = JUDGE_COVERED;
		return 0;
	}
	if (member->type == MEMBER_FILE && entry->type == MEMBER_FILE &&
	    (entry->layer < j->layer || entry->size == member->size)) {
		*ret_verdict = entry->layer < j->layer ? JUDGE_REPLACE : JUDGE_AGAIN;
		return 0;
	}
	const struct judge_link *before = entry->type != MEMBER_FILE ? link_find(j, path) : NULL;
	if (entry->layer == j->layer && member->type == MEMBER_HARD_LINK && strcmp(target, path) == 0)
		return 0;
	if (entry->layer == j->layer && member->type == entry->type && before != NULL &&
	    strcmp(before->target, target) == 0)
		return 0;
	return fault_refused(f, "the name occurs twice, for different things");
}

static int lost_note(struct judge *j, const struct member *member, const char *path, struct fault *f)
{
	struct fault ignored = { 0 };

	if (name_characters_check(member->target, member->target_length, &ignored) < 0)
		return 0;
	text_add(&j->lost, path, strlen(path) + 1);
	text_add(&j->lost, member->target, member->target_length);
	text_add_char(&j->lost, '\0');
	return text_check(&j->lost, f);
}

static int target_find(const struct judge *j, const struct member *member, const char *path,
		       char ret_target[LIMITS_PATH + 1], uint64_t *ret_size, struct fault *f)
{
	*ret_size = member->type == MEMBER_FILE ? member->size : 0;
	if (member->type == MEMBER_LINK)
		return target_check(j, member, path, ret_target, f);
	return member->type == MEMBER_HARD_LINK ? hard_target_find(j, member, path, ret_target, ret_size, f) : 0;
}

int judge_member(struct judge *j, const struct member *member, char ret_path[LIMITS_PATH + 1],
		 enum judge_verdict *ret_verdict, struct fault *f)
{
	char target[LIMITS_PATH + 1] = "";
	struct judge_path *entry;
	uint64_t size;
	bool added;

	*ret_verdict = JUDGE_NOTHING;
	if (type_check(member, f) < 0 || name_normalise(j, member, ret_path, f) < 0)
		return -1;
	if (ret_path[0] == '\0')
		return 0;
	if (target_find(j, member, ret_path, target, &size, f) < 0 || parents_enter(j, ret_path, f) < 0 ||
	    paths_enter(j, ret_path, strlen(ret_path), &entry, &added, f) < 0)
		return -1;
	*ret_verdict = JUDGE_PLACE;
	if (!added && again_judge(j, member, ret_path, target, entry, ret_verdict, f) < 0)
		return -1;
	if (*ret_verdict != JUDGE_PLACE && *ret_verdict != JUDGE_REPLACE)
		return 0;
	entry->type = (uint8_t)member->type;
	entry->layer = (uint8_t)j->layer;
	entry->size = size;
	if (bytes_add(j, size, f) < 0)
		return -1;
	if (member->type == MEMBER_FILE && member->target_length > 0)
		return lost_note(j, member, ret_path, f);
	if (target[0] == '\0')
		return 0;
	if (j->link_count >= LIMITS_LINK_COUNT)
		return fault_refused(f, "more than %d links", LIMITS_LINK_COUNT);
	return link_keep(j, ret_path, target, member->type == MEMBER_HARD_LINK, f);
}

/* --- links, after the last member --------------------------------------------------------------------------------- */

/* Is every step of the target, also in "a/../b", a directory of the tree?  ".." after a link would lead elsewhere. */
static bool steps_are_plain(const struct judge *j, const char *path, const char *target)
{
	char part[LIMITS_PATH + 1], resolved[LIMITS_PATH + 1];

	for (const char *slash = strchr(target, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		memcpy(part, target, (size_t)(slash - target));
		part[slash - target] = '\0';
		if (!judge_resolve(path, part, resolved))
			return false;
		const struct judge_path *step = paths_find(j, resolved, strlen(resolved));
		if (resolved[0] != '\0' && (step == NULL || !is_directory(step)))
			return false;
	}
	return true;
}

static bool holds(const char *directory, const char *path)
{
	const size_t length = strlen(directory);

	return length == 0 || (strncmp(directory, path, length) == 0 && path[length] == '/');
}

static int link_check(const struct judge *j, const struct judge_link *link, struct fault *f)
{
	char resolved[LIMITS_PATH + 1];

	for (unsigned passed = 0; passed < LIMITS_LINKS; passed++) {
		if (!judge_resolve(link->path, link->target, resolved))
			return fault_refused(f, "a link that leads out of the tree" WITHOUT_LINK);
		if (!steps_are_plain(j, link->path, link->target))
			return fault_refused(f, "a link that leads through another link, or through "
						"something that is not a directory" WITHOUT_LINK);
		if (holds(resolved, link->path))
			return fault_refused(f, "a link to a directory that holds it");
		const struct judge_path *found = paths_find(j, resolved, strlen(resolved));
		if (found == NULL)
			return fault_refused(f, "a link to '%s', which the archive does not hold" WITHOUT_LINK,
					     SHOWN(resolved));
		if (found->type != MEMBER_LINK)
			return 0;
		link = link_find(j, resolved);
		if (link == NULL)
			break;
	}
	return fault_refused(f, "too many levels of links");
}

const char *judge_target(const struct judge *j, const char *path)
{
	const struct judge_link *link = link_find(j, path);

	return link != NULL ? link->target : NULL;
}

/* Makes "/usr/safenet/lunaclient/libs/64/x" relative: for "TOP/lib/y" it is "../libs/64/x". */
static int own_relate(struct judge *j, struct judge_link *link, const char *top, struct fault *f)
{
	const char *part = own_part(j, link->target), *path = link->path + strlen(top);
	TEXT_AUTO target = { 0 };

	if (strncmp(link->path, top, strlen(top)) != 0)
		return fault_refused(f, "member '%s': a link to an absolute path", SHOWN(link->path));
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
		text_add_string(&target, "../");
	text_add_string(&target, part);
	if (text_check(&target, f) < 0)
		return -1;
	if (target.length > LIMITS_PATH)
		return fault_refused(f, "member '%s': a link target longer than %d bytes", SHOWN(link->path),
				     LIMITS_PATH);
	free(link->target);
	link->target = text_take(&target);
	return 0;
}

static int lost_check(const struct judge *j, const char *top, struct fault *f)
{
	char whole[LIMITS_PATH + 1];

	for (size_t at = 0; at < j->lost.length;) {
		const char *path = j->lost.bytes + at, *target = path + strlen(path) + 1, *own = own_part(j, target);
		at += strlen(path) + strlen(target) + 2;
		const bool leads = own != NULL ? snprintf(whole, sizeof(whole), "%s%s", top, own) < LIMITS_PATH
					       : judge_resolve(path, target, whole);
		if (leads && !holds(whole, path) && paths_find(j, whole, strlen(whole)) != NULL)
			return fault_refused(f,
					     "member '%s': a file that holds only the name of '%s', as a damaged link "
					     "does; pack it again",
					     SHOWN(path), SHOWN(whole));
	}
	return 0;
}

int judge_links(struct judge *j, const char *top, struct fault *f)
{
	for (size_t i = 0; i < j->link_count; i++)
		if (j->links[i].target[0] == '/' && own_relate(j, &j->links[i], top, f) < 0)
			return -1;
	for (size_t i = 0; i < j->link_count; i++)
		if (!j->links[i].hard && link_check(j, &j->links[i], f) < 0)
			return fault_prefix(f, "member '%s': ", SHOWN(j->links[i].path));
	return lost_check(j, top, f);
}
