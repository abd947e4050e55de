#include "client/full.h"

#include <stdio.h>

#include "base/text.h"
#include "client/record.h"
#include "client/settle.h"
#include "fs/handle.h"
#include "fs/root.h"

struct client_keep client_full_keep(struct client_installing *i)
{
	return (struct client_keep){ .root = i->request->root,
				     .workshop = &i->workshop,
				     .client_dir = i->request->client_dir,
				     .conf_path = i->request->settings->chrystoki_conf,
				     .room = i->room,
				     .report = i->request->report };
}

int client_full_find(struct client_installing *i, struct client_vendor_set *ret_set, struct fault *f)
{
	struct client_result *result = i->result;

	if (client_vendor_set_find(&result->entries, &result->content, i->request->report, ret_set, f) < 0)
		return -1;
	for (size_t p = 0; p < CLIENT_VENDOR_PACKAGES; p++)
		if (ret_set->packages[p].entry != NULL)
			text_add_format(&result->packages, "%s-%s\n", ret_set->packages[p].name, ret_set->version);
	(void)snprintf(result->content.version, sizeof(result->content.version), "%s", ret_set->version);
	return text_check(&result->packages, f);
}

int client_full_licence(const struct client_installing *i, struct fault *f)
{
	return i->request->accept_licence
		       ? 0
		       : fault_refused(f, "the full client comes under its vendor's licence; read it in the archive, "
					  "and give --accept-licence");
}

/* Are they installed, and is what they have installed there? */
static int is_installed(struct client_installing *i, const struct client_vendor_set *set, bool *ret_installed,
			struct fault *f)
{
	FS_AUTO int client = -1;
	bool installed;

	if (client_workshop_present(&i->workshop, &client, f) < 0 ||
	    client_vendor_installed(i->request->root, set, &installed, f) < 0)
		return -1;
	*ret_installed = installed && client >= 0;
	return 0;
}

/* After rpm: what is there now, and the record of it. */
static int finish(struct client_installing *i, bool *ret_has_conf, struct fault *f)
{
	const struct client_request *request = i->request;
	FS_AUTO int client = -1;

	if (fs_existence(request->root, request->settings->chrystoki_conf, ret_has_conf, f) < 0 ||
	    client_workshop_present(&i->workshop, &client, f) < 0)
		return -1;
	if (client < 0)
		return fault_absent(f, "no client is at '%s'", SHOWN(request->client_dir));
	return client_record_rewrite(request->root, client, request->client_dir,
				     "the full client, as its packages have installed it", f);
}

static int incomplete(struct fault *f)
{
	f->kind = FAULT_INCOMPLETE;
	return fault_prefix(f, "the packages are installed, but: ");
}

int client_full_install(struct client_installing *i, int tree, struct fault *f)
{
	const struct client_request *request = i->request;
	struct client_result *result = i->result;
	const struct client_keep keep = client_full_keep(i);
	struct client_vendor_set set;
	struct fault later = { 0 };
	bool installed, had_conf, has_conf;

	if (client_full_find(i, &set, f) < 0)
		return -1;
	if (client_full_licence(i, f) < 0 ||
	    client_settle(tree, i->worker, &result->entries, &result->content, &i->policy, f) < 0 ||
	    is_installed(i, &set, &installed, f) < 0 ||
	    fs_existence(request->root, request->settings->chrystoki_conf, &had_conf, f) < 0)
		return -1;
	if (!installed) {
		if (client_keep_make(&keep, &result->carried, f) < 0)
			return -1;
		const int r = client_vendor_install(request->root, tree, &set, request->client_dir, f);
		/* Whatever rpm did, what was there of the identity is there again. */
		const int restored = client_keep_restore(&keep, r < 0 ? &later : f);
		if (r < 0 || restored < 0)
			return r < 0 ? -1 : incomplete(f);
		result->placed = result->changed = true;
	}
	/* Also where rpm had nothing to do: an earlier run may have ended before this. */
	if (finish(i, &has_conf, f) < 0)
		return incomplete(f);
	if (had_conf)
		result->conf = CLIENT_CONF_KEPT;
	else if (has_conf)
		result->conf = CLIENT_CONF_WRITTEN;
	return 0;
}
