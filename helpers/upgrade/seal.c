#include "upgrade/seal.h"

#include <string.h>

#include "fs/sha256.h"
#include "fs/publish.h"
#include "fs/read.h"
#include "fs/root.h"

#define SEAL_FILE SETTINGS_VAR "/seal"

enum { SEAL_FILE_MAX = 1024 * 1024 };

/*
 * The file: one line "seal SEAL MANIFEST", then the entries apart as a manifest, so that one reader does for both.
 * What is apart is written with its digest and compared as a whole: owner and mode belong to it too.
 */
static int seal_print(const struct upgrade_scan *quick, const char *manifest_hex, struct text *out, struct fault *f)
{
	char hex[SHA256_HEX_SIZE];

	fs_sha256_hex(quick->seal, hex);
	text_add_format(out, "seal %s %s\n", hex, manifest_hex);
	manifest_print(&quick->manifest, NULL, out);
	return text_check(out, f);
}

static int quick_scan(int root, const struct upgrade_paths *paths, const struct upgrade_paths *apart,
		      int64_t fresh_since, struct upgrade_scan *ret_scan, struct fault *f)
{
	const struct upgrade_scan_how how = { .depth = UPGRADE_SCAN_SEAL, .apart = apart, .fresh_since = fresh_since };

	return upgrade_scan(root, paths, &how, ret_scan, f);
}

/* Seals all but what is fresh in `proven`, if nothing else has been touched since that was read. */
static int seal_renew(int root, const struct upgrade_paths *paths, const char *manifest_hex,
		      const struct upgrade_scan *proven, struct fault *f)
{
	UPGRADE_PATHS_AUTO apart = { 0 };
	UPGRADE_SCAN_AUTO quick = { 0 };
	TEXT_AUTO file = { 0 };
	const struct fs_publish how = FS_PUBLISH_NEW(0600);

	if (proven->fresh_count > UPGRADE_FRESH_MAX)
		return 0;
	for (size_t i = 0; i < proven->fresh.count; i++)
		if (upgrade_paths_add(&apart, proven->fresh.items[i], f) < 0)
			return -1;
	upgrade_paths_sort(&apart);
	if (quick_scan(root, paths, &apart, proven->fresh_since, &quick, f) < 0)
		return -1;
	/* What was changed after it was compared, or is new since, is sealed for nobody. */
	if (quick.fresh_count != proven->fresh_count)
		return 0;
	upgrade_paths_sort(&quick.fresh);
	for (size_t i = 0; i < apart.count; i++)
		if (strcmp(apart.items[i], quick.fresh.items[i]) != 0)
			return 0;
	for (size_t i = 0; i < quick.manifest.count; i++) {
		const struct manifest_entry *entry = &quick.manifest.entries[i];
		const struct manifest_entry *known = manifest_find(&proven->manifest, entry->path);
		if (known == NULL || known->type != entry->type || known->has_digest != entry->has_digest ||
		    (entry->has_digest && memcmp(known->digest, entry->digest, sizeof(entry->digest)) != 0))
			return 0;
	}
	if (seal_print(&quick, manifest_hex, &file, f) < 0)
		return -1;
	return fs_publish(root, SEAL_FILE, FS_FOLLOW_TRUSTED, file.bytes, file.length, &how, f);
}

bool upgrade_seal_holds(int root, const struct upgrade_paths *paths, const char *manifest_hex, int64_t started,
			enum upgrade_seal_act act, size_t *ret_entries)
{
	TEXT_AUTO file = { 0 };
	TEXT_AUTO now = { 0 };
	MANIFEST_AUTO old = { 0 };
	UPGRADE_PATHS_AUTO apart = { 0 };
	UPGRADE_SCAN_AUTO quick = { 0 };
	struct fault ignored = { 0 };

	if (fs_read_file(root, SEAL_FILE, FS_FOLLOW_TRUSTED, SEAL_FILE_MAX, &file, NULL, &ignored) < 0)
		return false;
	const size_t line = strcspn(text_string(&file), "\n") + 1;
	if (line >= file.length || manifest_parse(&old, SEAL_FILE, file.bytes + line, file.length - line, &ignored) < 0)
		return false;
	for (size_t i = 0; i < old.count; i++)
		if (upgrade_paths_add(&apart, old.entries[i].path, &ignored) < 0)
			return false;
	upgrade_paths_sort(&apart);
	if (quick_scan(root, paths, &apart, started, &quick, &ignored) < 0 ||
	    seal_print(&quick, manifest_hex, &now, &ignored) < 0 || now.length != file.length ||
	    memcmp(now.bytes, file.bytes, now.length) != 0)
		return false;
	*ret_entries = quick.entries;
	/* That the old one holds is the answer; whether a better one can be had changes nothing about it. */
	if (act == UPGRADE_SEAL_RENEW && quick.fresh_count < apart.count)
		(void)seal_renew(root, paths, manifest_hex, &quick, &ignored);
	return true;
}

int upgrade_seal_set(int root, const struct upgrade_paths *paths, const char *manifest_hex,
		     const struct upgrade_scan *scan, struct fault *f)
{
	return seal_renew(root, paths, manifest_hex, scan, f);
}
