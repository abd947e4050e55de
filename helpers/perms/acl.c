#include "perms/acl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/root.h"

/* linux/posix_acl_xattr.h: a version, then entries, all little endian. */
enum {
	ACL_VERSION = 2,
	HEAD_SIZE = 4,
	ENTRY_SIZE = 8,
	TAG_USER = 0x02,
	TAG_GROUP_OWNING = 0x04,
	TAG_GROUP = 0x08,
	ACL_MAX = 64 * 1024
};

struct entry {
	unsigned tag;
	mode_t allows;
	uint32_t id;
};

static struct entry entry_read(const unsigned char *at)
{
	return (struct entry){ .tag = (unsigned)at[0] | (unsigned)at[1] << 8,
			       .allows = at[2] & 7,
			       .id = (uint32_t)at[4] | (uint32_t)at[5] << 8 | (uint32_t)at[6] << 16 |
				     (uint32_t)at[7] << 24 };
}

/* What owner, group and mode let somebody do whom the ACL names. */
static mode_t allowed(const struct entry *entry, const struct perms_owned *state, uid_t okv_user)
{
	const mode_t owner = state->mode >> 6 & 7, group = state->mode >> 3 & 7, others = state->mode & 7;

	if (entry->tag == TAG_GROUP)
		return entry->id == state->gid ? group | others : others;
	return others | (entry->id == state->uid ? owner : 0) | (entry->id == okv_user ? group : 0);
}

static void rights_add(struct text *out, mode_t rights)
{
	text_add_format(out, "%s%s%s", (rights & 4) != 0 ? " read" : "", (rights & 2) != 0 ? " write" : "",
			(rights & 1) != 0 ? " execute" : "");
}

bool perms_acl_differs(const void *bytes, size_t length, const struct perms_owned *state, enum perms_acl_rights rights,
		       uid_t okv_user, struct text *out)
{
	const unsigned char *at = bytes;
	const mode_t mask = state->mode >> 3 & 7;

	if (length < HEAD_SIZE || (length - HEAD_SIZE) % ENTRY_SIZE != 0 || at[0] != ACL_VERSION || at[1] != 0 ||
	    at[2] != 0 || at[3] != 0) {
		text_add_string(out, "is none that is known here");
		return true;
	}
	/* Without a mask there is nothing but owner, group and mode. */
	if (length <= HEAD_SIZE + 3 * ENTRY_SIZE)
		return false;
	for (size_t i = HEAD_SIZE; i < length; i += ENTRY_SIZE) {
		const struct entry entry = entry_read(at + i);
		const bool named = entry.tag == TAG_USER || entry.tag == TAG_GROUP;
		const mode_t excess =
			entry.allows & mask & ~allowed(&entry, state, okv_user) & (rights == PERMS_ACL_ALL ? 7U : 2U);
		if (named && excess != 0) {
			text_add_format(out, "lets %s id %lu", entry.tag == TAG_USER ? "user" : "group",
					(unsigned long)entry.id);
			rights_add(out, excess);
			return true;
		}
		if (rights == PERMS_ACL_ALL && entry.tag == TAG_GROUP_OWNING && (mask & ~entry.allows) != 0) {
			text_add_string(out, "does not let its group");
			rights_add(out, mask & ~entry.allows);
			return true;
		}
	}
	return false;
}

/* Through /proc it is one call, which follows no link; elsewhere the entry is opened. */
static ssize_t attribute_get(int dir, const char *leaf, const char *name, void *buffer, size_t size)
{
	char path[FS_NAME_SIZE + 40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, leaf);
	const ssize_t got = lgetxattr(path, name, buffer, size);
	if (got >= 0 || (errno != ENOENT && errno != ENOTDIR))
		return got;
	FS_AUTO int fd = openat(dir, leaf, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -1 : fgetxattr(fd, name, buffer, size);
}

int perms_acl_look(int dir, const char *leaf, const struct perms_owned *state, enum perms_acl_rights rights,
		   uid_t okv_user, struct text *out, struct fault *f)
{
	static const char *const names[] = { "system.posix_acl_access", "system.posix_acl_default" };
	unsigned char buffer[ACL_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const ssize_t got = attribute_get(dir, leaf, names[i], buffer, sizeof(buffer));
		if (got > 0 && perms_acl_differs(buffer, (size_t)got, state, rights, okv_user, out))
			return 1;
		/* None, none on this file system, not there any more. */
		if (got < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != ENOENT)
			return fault_system(f, errno, "cannot read %s", names[i]);
	}
	return 0;
}
