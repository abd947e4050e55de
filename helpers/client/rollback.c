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
	TEXT_AUTO paths = { 0 };
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

/* After the exchange: what belongs to it.  Can be done again, by any run, until it is done. */
static int finish(const struct client_request *request, struct client_workshop *w, struct fault *f)
{
	FS_AUTO int client = -1;

	if (client_workshop_present(w, &client, f) < 0 ||
	    client_record_rewrite(request->root, client, request->client_dir,
				  "the client that okv-luna extract --rollback has put back", f) < 0)
		return -1;
	return client_workshop_rollback_end(w, request->report, f);
}

static void finished_say(const struct client_request *request)
{
	report_say(request->report, REPORT_WARNING,
		   "an earlier --rollback was cut off after the previous client was back; completed");
}

int client_rollback_finish(const struct client_request *request, struct client_workshop *w, struct fault *f)
{
	bool back;

	if (client_workshop_is_back(w, &back, f) < 0)
		return -1;
	if (!back)
		return 0;
	if (finish(request, w, f) < 0)
		return fault_prefix(f, "an earlier --rollback cannot be completed: ");
	finished_say(request);
	return 0;
}

static int roll_back(const struct client_request *request, struct client_workshop *w, bool *ret_finished,
		     struct fault *f)
{
	bool back;

	if (client_workshop_is_back(w, &back, f) < 0 || (!back && drift_tell(request, w, f) < 0))
		return -1;
	const int r = back ? 0 : client_workshop_rollback(w, request->report, f);
	if (r < 0 && f->kind != FAULT_INCOMPLETE)
		return -1;
	if (r < 0 || finish(request, w, f) < 0) {
		f->kind = FAULT_INCOMPLETE;
		return fault_prefix(f, "the previous client is back, but: ");
	}
	if (back)
		finished_say(request);
	*ret_finished = back;
	return 0;
}

int client_rollback(const struct client_request *request, bool *ret_finished, struct fault *f)
{
	CLIENT_WORKSHOP_AUTO w = CLIENT_WORKSHOP_INIT;
	bool back;

	if (request->dry_run) {
		if (client_workshop_look(request->root, request->client_dir, &w, f) < 0 ||
		    client_workshop_is_back(&w, &back, f) < 0 || (!back && drift_tell(request, &w, f) < 0))
			return -1;
		*ret_finished = back;
		return 0;
	}
	if (client_workshop_open(request->root, request->client_dir, request->report, &w, f) < 0)
		return -1;
	const int r = roll_back(request, &w, ret_finished, f);
	client_workshop_close(&w, request->root, request->client_dir);
	return r;
}
