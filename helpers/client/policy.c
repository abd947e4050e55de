#include "client/policy.h"

#include <string.h>

#include "base/text.h"

const char *const client_directories[] = { "bin",
					   "lib",
					   "plugins",
					   "cert",
					   "cert/client",
					   "cert/server",
					   "configData",
					   "configData/token",
					   "configData/token/001",
					   "data",
					   NULL };

/* STC keeps its identities below data or config; rbs has a key of its own; lock and stc are what users make beside. */
const char *const client_identity[] = { "cert", "configData", "data",           "config", "rbs",
					"stc",  "lock",       "Chrystoki.conf", NULL };

static bool below(const char *path, const char *top)
{
	const size_t length = strlen(top);

	return strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

bool client_is_identity(const char *path)
{
	for (const char *const *top = client_identity; *top != NULL; top++)
		if (below(path, *top))
			return true;
	/* Partition certificates of the cloud service lie at the top; a directory of such a name goes as a whole. */
	const size_t top = strcspn(path, "/");
	return top >= 4 && strncmp(path + top - 4, ".pem", 4) == 0;
}

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Something that is run or loaded, by where it lies and what it is called. */
static bool is_code(const char *path)
{
	const char *leaf = leaf_of(path);

	return text_starts(path, "bin/") || strstr(path, "/bin/") != NULL || text_ends(leaf, ".so") ||
	       strstr(leaf, ".so.") != NULL || text_ends(leaf, ".plugin");
}

static bool is_private(const char *path)
{
	const char *leaf = leaf_of(path);

	return strcmp(leaf, "Chrystoki.conf") == 0 || text_ends(leaf, "Key.pem") || text_ends(leaf, "key.pem") ||
	       text_ends(leaf, ".db") || text_ends(leaf, ".p12");
}

mode_t client_policy_first_mode(const char *path)
{
	if (is_private(path))
		return 0600;
	return is_code(path) ? 0755 : 0644;
}

struct client_rights client_policy_conf(const struct client_policy *policy)
{
	struct client_rights rights = { .gid = 0, .mode = 0600 };

	if (policy->has_group) {
		rights.gid = policy->group;
		rights.mode = policy->strict ? 0640 : 0660;
	}
	return rights;
}

struct client_rights client_policy_file(const struct client_policy *policy, const char *path)
{
	struct client_rights rights = { .gid = 0, .mode = client_policy_first_mode(path) };

	if (client_is_identity(path) || is_private(path)) {
		rights.mode = policy->has_group ? 0640 : 0600;
		rights.gid = policy->has_group ? policy->group : 0;
	}
	return rights;
}

struct client_rights client_policy_directory(const struct client_policy *policy, const char *path)
{
	struct client_rights rights = { .gid = 0, .mode = 0755 };

	if (client_is_identity(path)) {
		rights.mode = 0700;
		if (policy->has_group) {
			rights.gid = policy->group;
			rights.mode = policy->strict && !below(path, "data") ? 02750 : 02770;
		}
	}
	return rights;
}
