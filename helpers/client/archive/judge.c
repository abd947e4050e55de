#include "client/archive/judge.h"

#include <stdlib.h>
#include <string.h>

#include "client/archive/name.h"
#include "base/text.h"

struct judge_link {
	char *path, *target; /* owned */
	bool hard;
};

static void link_done(struct judge_link *link)
{
	free(link->path);
	free(link->target);
}

void judge_done(struct judge *j)
{
	paths_done(&j->paths);
	for (size_t i = 0; i < j->link_count; i++)
		link_done(&j->links[i]);
	free(j->links);
	*j = (struct judge)JUDGE_INIT(j->limits);
}

/* --- members ------------------------------------------------------------------------------------------------------ */

static int parents_enter(struct judge *j, const char *path, unsigned layer, struct fault *f)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		struct paths_entry *parent;
		bool new;
		if (paths_enter(&j->paths, path, (size_t)(slash - path), &parent, &new, f) < 0)
			return -1;
		if (new) {
			parent->kind = PATHS_IMPLIED;
			parent->layer = (uint8_t)layer;
		} else if (parent->kind == PATHS_LINK) {
			return fault_refused(f, "the name passes through a link");
		} else if (parent->kind == PATHS_FILE) {
			return fault_refused(f, "a file where a directory must be");
		}
	}
	return 0;
}

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

/* A hard link names a member from the top, as members are named; it becomes a copy. */
static int hard_target_find(struct judge *j, const char *path, const struct member *member,
			    char ret_target[LIMITS_PATH + 1], struct fault *f)
{
	const struct member named = { .type = MEMBER_FILE,
				      .name = member->target,
				      .name_length = member->target_length };

	if (name_normalise(&named, ret_target, f) < 0)
		return fault_prefix(f, "a hard link's target: ");
	const struct paths_entry *found = paths_find(&j->paths, ret_target, strlen(ret_target));
	if (found == NULL || found->kind != PATHS_FILE || strcmp(ret_target, path) == 0)
		return fault_refused(f, "a hard link to what is no file of this archive before it");
	const struct judge_link *further = link_find(j, ret_target, true);
	if (further != NULL)
		memcpy(ret_target, further->target, strlen(further->target) + 1);
	struct paths_entry *own = paths_find(&j->paths, path, strlen(path));
	if (own != NULL)
		own->size = found->size;
	return bytes_add(j, found->size, f);
}

static int link_keep(struct judge *j, const char *path, const char *target, bool hard, struct fault *f)
{
	struct judge_link link = { .path = strdup(path), .target = strdup(target), .hard = hard };
	struct judge_link *links = j->links;

	/* Room for one, two, four ... */
	if ((j->link_count & (j->link_count - 1)) == 0)
		links = realloc(links, (j->link_count > 0 ? j->link_count * 2 : 1) * sizeof(*links));
	if (links != NULL)
		j->links = links;
	if (links == NULL || link.path == NULL || link.target == NULL) {
		link_done(&link);
		return fault_memory(f);
	}
	j->links[j->link_count++] = link;
	return 0;
}

static int link_note(struct judge *j, const char *path, const struct member *member, struct fault *f)
{
	char target[LIMITS_PATH + 1], resolved[LIMITS_PATH + 1];
	const size_t length = member->target_length;

	if (j->link_count >= LIMITS_LINK_COUNT)
		return fault_refused(f, "more than %d links", LIMITS_LINK_COUNT);
	if (length == 0)
		return fault_refused(f, "a link to nothing");
	if (length > LIMITS_PATH)
		return fault_refused(f, "a link target longer than %d bytes", LIMITS_PATH);
	if (member->target[0] == '/')
		return fault_refused(f, "a link to an absolute name");
	if (name_characters_check(member->target, length, f) < 0)
		return fault_prefix(f, "a link's target: ");
	if (member->type == MEMBER_HARD_LINK) {
		if (hard_target_find(j, path, member, target, f) < 0)
			return -1;
	} else {
		memcpy(target, member->target, length);
		target[length] = '\0';
		if (!name_resolve(path, target, resolved))
			return fault_refused(f, "a link that leads out of the tree");
	}
	return link_keep(j, path, target, member->type == MEMBER_HARD_LINK, f);
}

int judge_member(struct judge *j, const struct member *member, unsigned layer, char ret_path[LIMITS_PATH + 1],
		 enum judge_verdict *ret_verdict, struct fault *f)
{
	struct paths_entry *entry;
	bool new;

	if (type_check(member, f) < 0 || name_normalise(member, ret_path, f) < 0)
		return -1;
	if (ret_path[0] == '\0') {
		*ret_verdict = JUDGE_NOTHING;
		return 0;
	}
	if (parents_enter(j, ret_path, layer, f) < 0 ||
	    paths_enter(&j->paths, ret_path, strlen(ret_path), &entry, &new, f) < 0)
		return -1;

	enum paths_kind kind = PATHS_LINK;
	if (member->type == MEMBER_DIRECTORY)
		kind = PATHS_DIRECTORY;
	else if (member->type == MEMBER_FILE || member->type == MEMBER_HARD_LINK)
		kind = PATHS_FILE;
	*ret_verdict = JUDGE_PLACE;
	if (!new) {
		const bool was_directory = entry->kind == PATHS_DIRECTORY || entry->kind == PATHS_IMPLIED;
		if (was_directory != (kind == PATHS_DIRECTORY))
			return fault_refused(f, was_directory ? "a file where a directory must be"
							      : "a directory where a file is");
		if (entry->layer > layer && entry->kind != PATHS_IMPLIED) {
			*ret_verdict = JUDGE_COVERED;
			return 0;
		}
		/* Implied before, named now: once.  Directories of an outer archive may come again in an inner one. */
		if (entry->kind != PATHS_IMPLIED && !(kind == PATHS_DIRECTORY && entry->layer != layer))
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
		const struct paths_entry *parent = paths_find(&j->paths, path, (size_t)(slash - path));
		if (parent != NULL && parent->kind == PATHS_LINK)
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
		if (!name_resolve(path, part, resolved))
			return false;
		const struct paths_entry *step = paths_find(&j->paths, resolved, strlen(resolved));
		if (resolved[0] != '\0' && (step == NULL || step->kind == PATHS_LINK || step->kind == PATHS_FILE))
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
		if (!name_resolve(link->path, link->target, resolved))
			return fault_refused(f, "member '%s': a link that leads out of the tree", SHOWN(first->path));
		if (!steps_are_plain(j, link->path, link->target) || through_link(j, resolved))
			return fault_refused(f,
					     "member '%s': a link that leads through another link, or through what "
					     "is no directory",
					     SHOWN(first->path));
		if (holds(resolved, link->path))
			return fault_refused(f, "member '%s': a link to a directory that holds it", SHOWN(first->path));
		const struct paths_entry *found = paths_find(&j->paths, resolved, strlen(resolved));
		if (found == NULL)
			return fault_refused(f, "member '%s': a link to '%s', which the archive does not hold",
					     SHOWN(first->path), SHOWN(resolved));
		if (found->kind != PATHS_LINK)
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
