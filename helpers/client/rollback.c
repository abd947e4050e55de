/* The way back: the client that was in place before. */
#include <string.h>

#include "base/text.h"
#include "client/drift.h"
#include "client/install.h"
#include "client/record.h"
#include "client/workshop.h"
#include "fs/handle.h"

/* The previous client comes back with the identity that it had: whoever has made a new one since should know. */
static int drift_tell(const struct client_request *request, const struct client_workshop *w, struct fault *f)
{
	TEXT_AUTO paths = TEXT_INIT;
	FS_AUTO int now = -1;
	FS_AUTO int before = -1;

	if (client_workshop_previous(w, &before, f) < 0 || client_workshop_present(w, &now, f) < 0)
		return -1;
	if (now < 0)
		return 0;
	if (client_drift_find(now, before, &paths, f) < 0)
		return -1;
	for (const char *at = text_string(&paths); *at != '\0';) {
		const size_t length = strcspn(at, "\n");
		report_say(request->report, REPORT_WARNING,
			   "'%s' has changed since; the previous client comes back "
			   "with its own, and this one stays with the client that is replaced",
			   SHOWN_BYTES(at, length));
		at += length + 1;
	}
	return 0;
}

int client_rollback(const struct client_request *request, struct fault *f)
{
	CLIENT_WORKSHOP_AUTO w = CLIENT_WORKSHOP_INIT;
	FS_AUTO int client = -1;

	if (request->dry_run)
		return client_workshop_look(request->root, request->client_dir, &w, f) < 0 ? -1
											   : drift_tell(request, &w, f);
	if (client_workshop_open(request->root, request->client_dir, request->report, &w, f) < 0)
		return -1;
	int r = drift_tell(request, &w, f);
	if (r == 0)
		r = client_workshop_rollback(&w, request->report, f);
	if (r == 0 && (client_workshop_present(&w, &client, f) < 0 ||
		       client_record_rewrite(request->root, client, request->client_dir,
					     "the client that okv-luna extract --rollback has put back", f) < 0)) {
		f->kind = FAULT_INCOMPLETE;
		r = fault_prefix(f, "the previous client is back, but: ");
	}
	client_workshop_close(&w, request->root, request->client_dir);
	return r;
}
