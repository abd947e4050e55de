#include "client/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/policy.h"
#include "digest/sha256.h"
#include "fs/handle.h"
#include "fs/publish.h"
#include "fs/root.h"
#include "fs/walk.h"

struct recorder {
	const struct unpack *entries;
	const struct client_content *content;
	const char *prefix; /* the client's directory, without the leading slash */
	struct manifest *manifest;
};

/* Back from where a file lies to what the archive called it. */
static const struct unpack_entry *origin(const struct recorder *r, const char *path)
{
	char name[2 * LIMITS_PATH + 32];

	(void)snprintf(name, sizeof(name), "%s%s", r->content->top, path);
	const struct unpack_entry *e = unpack_find(r->entries, name);
	if (e == NULL && text_starts(path, "plugins/")) {
		(void)snprintf(name, sizeof(name), "%slibs/64/%s", r->content->top, path);
		e = unpack_find(r->entries, name);
	}
	return e;
}

static struct manifest_entry *entry_new(struct recorder *r, const char *path, const char *target, struct fault *f)
{
	char whole[PATH_MAX];

	(void)snprintf(whole, sizeof(whole), "%s%s%s", r->prefix, path[0] != '\0' ? "/" : "", path);
	return manifest_add(r->manifest, whole, target, f);
}

static int entry_record(void *context, const void *state, const struct fs_walk_entry *entry, struct fault *f)
{
	struct recorder *r = context;
	const char *path = entry->path + strspn(entry->path, "/");
	char target[PATH_MAX];
	struct manifest_entry *made;
	const struct unpack_entry *from = NULL;
	ssize_t length;

	(void)state;
	if (client_is_identity(path))
		return FS_WALK_PASS;
	switch (entry->status->st_mode & S_IFMT) {
	case S_IFDIR:
		made = entry_new(r, path, NULL, f);
		if (made != NULL)
			made->type = MANIFEST_DIR;
		break;
	case S_IFLNK:
		length = readlinkat(entry->dir, entry->name, target, sizeof(target) - 1);
		if (length < 0)
			return fault_system(f, errno, "cannot read link '%s'", SHOWN(path));
		target[length] = '\0';
		made = entry_new(r, path, target, f);
		if (made != NULL)
			made->type = MANIFEST_LINK;
		break;
	default:
		from = origin(r, path);
		if (from != NULL && from->type == WIRE_ENTRY_HARD_LINK)
			from = unpack_find(r->entries, from->target);
		if (from == NULL || from->type != WIRE_ENTRY_FILE)
			return FS_WALK_PASS; /* carried over, not installed */
		made = entry_new(r, path, NULL, f);
		if (made != NULL) {
			made->type = MANIFEST_FILE;
			made->size = (uint64_t)entry->status->st_size;
			made->has_digest = true;
			memcpy(made->digest, from->sha256, sizeof(made->digest));
		}
		break;
	}
	if (made == NULL)
		return -1;
	made->has_attributes = true;
	made->uid = entry->status->st_uid;
	made->gid = entry->status->st_gid;
	made->mode = entry->status->st_mode & 07777;
	return made->type == MANIFEST_DIR ? FS_WALK_ENTER : FS_WALK_PASS;
}

int client_record_make(int client, const char *client_dir, const struct unpack *entries,
		       const struct client_content *content, struct manifest *ret_manifest, struct fault *f)
{
	MANIFEST_AUTO m = MANIFEST_INIT;
	const char *prefix = client_dir + strspn(client_dir, "/");
	struct recorder r = { .entries = entries, .content = content, .prefix = prefix, .manifest = &m };
	const struct fs_walk walk = { .context = &r, .visit = entry_record };

	/* The directories above, so that stock tools can read it from the root. */
	for (const char *slash = prefix; (slash = strchr(slash, '/')) != NULL; slash++) {
		char above[PATH_MAX];
		(void)snprintf(above, sizeof(above), "%.*s", (int)(slash - prefix), prefix);
		struct manifest_entry *made = manifest_add(&m, above, NULL, f);
		if (made == NULL)
			return -1;
		made->type = MANIFEST_DIR;
	}
	if (fs_walk(client, ".", "", NULL, &walk, f) < 0 || manifest_sort(&m, f) < 0)
		return -1;
	*ret_manifest = m;
	m = (struct manifest)MANIFEST_INIT;
	return 0;
}

static int entry_matches(int client, const char *path, const struct manifest_entry *e, bool *ret_same, struct fault *f)
{
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;
	struct fault absent = FAULT_INIT;
	char leaf[FS_NAME_SIZE], target[PATH_MAX];
	unsigned char digest[SHA256_SIZE];
	struct stat status;

	*ret_same = false;
	if (path[0] == '\0')
		path = ".";
	if (strcmp(path, ".") == 0) {
		if (fstat(client, &status) < 0)
			return fault_system(f, errno, "cannot look at the client");
	} else if (fs_parent_open(client, path, FS_NOFOLLOW, &dir, leaf, &absent) < 0 ||
		   fstatat(dir, leaf, &status, AT_SYMLINK_NOFOLLOW) < 0) {
		return 0;
	}
	static const mode_t types[] = { [MANIFEST_FILE] = S_IFREG, [MANIFEST_DIR] = S_IFDIR, [MANIFEST_LINK] = S_IFLNK };
	if ((status.st_mode & S_IFMT) != types[e->type] || status.st_uid != e->uid || status.st_gid != e->gid ||
	    (status.st_mode & 07777) != e->mode)
		return 0;
	if (e->type == MANIFEST_LINK) {
		const ssize_t length = readlinkat(dir, leaf, target, sizeof(target));
		*ret_same = length >= 0 && text_equal(target, (size_t)length, e->target);
		return 0;
	}
	if (e->type == MANIFEST_FILE) {
		if ((uint64_t)status.st_size != e->size || status.st_nlink != 1 ||
		    fs_file_open_at(dir, leaf, O_RDONLY, &fd, NULL, &absent) < 0)
			return 0;
		if (digest_sha256_descriptor(fd, path, digest, f) < 0)
			return -1;
		*ret_same = memcmp(digest, e->digest, sizeof(digest)) == 0;
		return 0;
	}
	*ret_same = true;
	return 0;
}

int client_record_matches(int client, const char *client_dir, const struct manifest *manifest, bool *ret_same,
			  struct fault *f)
{
	const size_t length = strlen(client_dir + strspn(client_dir, "/"));

	for (size_t i = 0; i < manifest->count; i++) {
		const struct manifest_entry *e = &manifest->entries[i];
		if (!e->has_attributes)
			continue;
		const char *path = e->path + length;
		if (entry_matches(client, path + (path[0] == '/'), e, ret_same, f) < 0)
			return -1;
		if (!*ret_same)
			return 0;
	}
	*ret_same = true;
	return 0;
}

int client_record_write(int root, const struct manifest *manifest, const struct client_content *content, struct fault *f)
{
	const struct fs_publish how = FS_PUBLISH_NEW(0600);
	TEXT_AUTO comment = TEXT_INIT;
	TEXT_AUTO out = TEXT_INIT;

	text_add_format(&comment, "%s client%s%s, as okv-luna extract has installed it", client_kind_name(content->kind),
			content->version[0] != '\0' ? " " : "", content->version);
	if (text_check(&comment, f) < 0)
		return -1;
	manifest_print(manifest, text_string(&comment), &out);
	if (text_check(&out, f) < 0)
		return -1;
	return fs_publish(root, CLIENT_RECORD, FS_FOLLOW_TRUSTED, out.bytes, out.length, &how, f);
}
