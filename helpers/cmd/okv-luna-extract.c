/*
 * okv-luna extract: installs a Luna client from the vendor's archive, whole or not at all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/install.h"
#include "client/layout.h"
#include "cmd/tool.h"
#include "proc/child.h"
#include "proc/interrupt.h"

static struct client_request request;
static bool list, roll_back;

static const struct option options[] = {
	OPTION_ROW(0, "to", OPTION_TEXT, &request.client_dir, "DIR",
		   "install there (default CLIENT_DIR of okv-luna.conf)"),
	OPTION_ROW(0, "kind", OPTION_CHOICE, &request.kind, "auto|minimal|cloud|full",
		   "refuse any other kind of client (default auto)"),
	OPTION_ROW(0, "sha256", OPTION_TEXT, &request.sha256, "HEX", "refuse an archive with another SHA-256"),
	OPTION_ROW(0, "list", OPTION_FLAG, &list, NULL, "show what would be placed where, change nothing"),
	OPTION_ROW(0, "max-bytes", OPTION_SIZE, &request.max_bytes, "N",
		   "refuse more than this when unpacked (default 4G)"),
	OPTION_RANGE(0, "max-entries", OPTION_NUMBER, 1, 1000000, &request.max_entries, "N",
		     "refuse more files and directories (default 50000)"),
	OPTION_ROW(0, "accept-licence", OPTION_FLAG, &request.accept_licence, NULL,
		   "accept the vendor's licence of the full client"),
	OPTION_ROW(0, "replace-kind", OPTION_FLAG, &request.replace_kind, NULL,
		   "replace an installed client of another kind"),
	OPTION_ROW(0, "rollback", OPTION_FLAG, &roll_back, NULL, "put the previous client back"),
	OPTION_END,
};

/* --- progress bar ------------------------------------------------------------------------------------------------- */

static void bar_draw(void *context, uint64_t read, uint64_t of, uint64_t placed, uint64_t files)
{
	enum { EVERY_MS = 100, WIDTH = 30 };
	static const char full[] = "##############################";
	int64_t *last_ms = context;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	const int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (now_ms - *last_ms < EVERY_MS)
		return;
	*last_ms = now_ms;
	if (read > of)
		read = of;
	const int part = read > 0 && of > 0 ? (int)(read * WIDTH / of) : 0;
	cmd_progress("[%.*s%*s] %" PRIu64 " files, %" PRIu64 " MB", part, full, WIDTH - part, "", files, placed >> 20);
}

/* --- result ------------------------------------------------------------------------------------------------------- */

static void size_format(uint64_t bytes, char ret_text[32])
{
	static const char *const units[] = { "bytes", "KB", "MB", "GB" };
	double size = (double)bytes;
	unsigned unit = 0;

	for (; size >= 1024 && unit < 3; unit++)
		size /= 1024;
	(void)snprintf(ret_text, 32, "%.*f %s", unit == 0 || size >= 100 ? 0 : 1, size, units[unit]);
}

/* `member` NULL: not from the archive; `path` NULL: not placed; `copy`: a copy of `target`, else a link to it. */
static void entry_list(const struct cmd_context *context, const char *member, const char *path, uint64_t size,
		       const char *target, bool copy)
{
	const bool link = target != NULL && !copy;
	char text[32];

	if (context->json) {
		struct json *j = context->result;
		json_object_begin(j, NULL);
		json_string(j, "member", member);
		json_string(j, "path", path);
		json_string(j, "type", link ? "link" : copy ? "copy" : "file");
		json_unsigned(j, "size", size);
		json_string(j, "target", target);
		json_object_end(j);
		return;
	}
	size_format(size, text);
	if (path == NULL)
		cmd_print(context, "not placed   %s\n", SHOWN(member));
	else
		cmd_print(context, "%11s  %s/%s%s%s\n",
			  link   ? "link"
			  : copy ? "copy"
				 : text,
			  request.client_dir, SHOWN(path), link ? " -> " : "", link ? SHOWN(target) : "");
}

static int link_list(void *context, const char *path, const char *target, struct fault *f)
{
	(void)f;
	entry_list(context, NULL, path, 0, target, false);
	return 0;
}

/* Lists what a run would place; but rpm places a full client's files. */
static void content_list(struct cmd_context *context, const struct client_content *content)
{
	char path[LIMITS_PATH + 1];
	struct fault ignored = { 0 };

	for (size_t i = 0; content->kind != CLIENT_FULL && i < content->unpacked.count; i++) {
		const struct unpack_entry *e = &content->unpacked.entries[i];
		if (e->type != UNPACK_DIRECTORY)
			entry_list(context, e->path, client_layout_path(content, e->path, path) ? path : NULL, e->size,
				   e->target, e->type == UNPACK_HARD_LINK);
	}
	if (content->kind != CLIENT_FULL)
		(void)client_layout_links(content, link_list, context, &ignored);
	const struct unpack_entry *base = client_content_entry(content, "Chrystoki-base.conf");
	if (content->kind == CLIENT_CLOUD && base != NULL && client_content_entry(content, "Chrystoki.conf") == NULL)
		entry_list(context, base->path, "Chrystoki.conf", base->size, NULL, false);
}

/* Prints "LINE: WHAT" for the first lines only: an archive packed on a Mac can have thousands of side files. */
static void lines_print(const struct cmd_context *context, const struct text *lines, const char *what)
{
	enum { NAMED_MOST = 20 };
	struct text_line line;
	size_t count = 0;

	for (size_t at = 0; text_line_next(lines->bytes, lines->length, &at, &line); count++)
		if (count < NAMED_MOST)
			cmd_print(context, "%s: %s\n", SHOWN_BYTES(line.bytes, line.length), what);
	if (count > NAMED_MOST)
		cmd_print(context, "... and %zu more: %s\n", count - NAMED_MOST, what);
}

static const char *const conf_words[] = {
	[CLIENT_CONF_NONE] = "none", [CLIENT_CONF_WRITTEN] = "written", [CLIENT_CONF_KEPT] = "kept"
};

/* The members that --list, --rollback and an installation share. */
static void common_json(struct json *j, bool planned, bool changed)
{
	json_bool(j, "dry_run", planned);
	json_bool(j, "changed", changed);
	json_string(j, "client_dir", request.client_dir);
}

static void result_json(struct cmd_context *context, const struct client_result *result)
{
	struct json *j = context->result;

	common_json(j, request.dry_run, result->changed);
	json_string(j, "kind", client_kind_name(result->content.kind));
	json_string(j, "version", result->content.version[0] != '\0' ? result->content.version : NULL);
	json_string(j, "format", text_string(&result->content.unpacked.format));
	json_string(j, "sha256", result->sha256[0] != '\0' ? result->sha256 : NULL);
	json_string(j, "library", result->content.library[0] != '\0' ? result->content.library : NULL);
	json_unsigned(j, "files", result->content.unpacked.files);
	json_unsigned(j, "bytes", result->content.unpacked.bytes);
	json_string(j, "chrystoki_conf", conf_words[result->conf]);
	json_lines(j, "carried", &result->carried);
	json_lines(j, "packages", &result->packages);
	json_lines(j, "package_files", &result->package_files);
	json_lines(j, "covered", &result->content.unpacked.covered);
	json_lines(j, "left_out", &result->content.unpacked.left_out);
	json_lines(j, "not_in_archive", &result->extra);
	json_bool(j, "previous_kept", result->previous_kept);
	json_array_begin(j, "entries");
	if (request.dry_run)
		content_list(context, &result->content);
	json_array_end(j);
}

/* The guide's hybrid procedure: a cloud client beside another client lends it its XTC and REST sections. */
static void next_print(const struct cmd_context *context, enum client_kind kind)
{
	const char *client_dir = request.client_dir, *own = context->settings.client_dir;

	if (kind != CLIENT_CLOUD || strcmp(client_dir, own) == 0)
		cmd_print(context, "next: 'okv-luna repair' for owners and modes, 'okv-luna config wire' for OKV\n");
	else
		cmd_print(context,
			  "next: 'okv-luna config chrystoki merge %s/Chrystoki.conf --section XTC --section REST "
			  "--plugin-dir %s/plugins', then 'okv-luna slots'\n",
			  client_dir, own);
}

static void result_print(const struct cmd_context *context, const struct client_result *result)
{
	const bool planned = request.dry_run;
	const struct client_content *c = &result->content;
	const char *conf = client_layout_conf_name(c);
	char size[32];

	size_format(result->content.unpacked.bytes, size);
	cmd_print(context, "%s client%s%s (%s): %" PRIu64 " files, %s\n", client_kind_name(c->kind),
		  c->version[0] != '\0' ? " " : "", SHOWN(c->version), text_string(&result->content.unpacked.format),
		  result->content.unpacked.files, size);
	lines_print(context, &result->content.unpacked.left_out, "left out, a side file of macOS or Windows");
	lines_print(context, &result->packages,
		    !result->placed ? "installed"
		    : planned       ? "would be installed by rpm"
				    : "installed by rpm");
	lines_print(context, &result->carried,
		    planned ? "would be carried over from the old client" : "carried over from the old client");
	lines_print(context, &result->extra,
		    planned ? "not in the archive; would stay with the previous client"
			    : "not in the archive; stays with the previous client");
	if (result->conf == CLIENT_CONF_WRITTEN)
		cmd_print(context, "%s: %swritten from the archive's %s\n", context->settings.chrystoki_conf,
			  planned ? "would be " : "", conf != NULL ? conf : "packages");
	else if (result->conf == CLIENT_CONF_KEPT)
		cmd_print(context, "%s: kept as it is\n", context->settings.chrystoki_conf);
	cmd_print(context, "%s: %s%s\n", request.client_dir,
		  !result->placed ? "installed already"
		  : planned       ? "would be installed"
				  : "installed",
		  planned || !result->changed ? "; nothing was changed" : "");
	if (!planned && result->placed && result->previous_kept)
		cmd_print(context, "the previous client is kept: 'okv-luna extract --rollback' puts it back\n");
	if (!planned && result->changed && getenv(CMD_CALLED) == NULL)
		next_print(context, c->kind);
}

/* --- command ------------------------------------------------------------------------------------------------------ */

static int rollback(struct cmd_context *context, struct fault *f)
{
	bool finished;

	if (client_rollback(&request, &finished, f) < 0)
		return -1;
	common_json(context->result, request.dry_run, true);
	cmd_print(context, "%s: %s\n", request.client_dir,
		  !request.dry_run ? "the previous client is back; the one it replaces is kept as the previous one"
		  : finished       ? "is back already; what is left of an earlier --rollback would be completed"
				   : "would be exchanged with the previous client");
	return 0;
}

/* --list without an archive: what is installed. */
static int installed_list(const struct cmd_context *context, struct fault *f)
{
	const size_t prefix = strlen(request.client_dir);
	MANIFEST_AUTO record = { 0 };
	enum client_kind kind;
	struct json *j = context->result;

	if (client_installed(&request, &kind, &record, f) < 0)
		return -1;
	const char *word = kind != CLIENT_AUTO ? client_kind_name(kind) : NULL;
	common_json(j, true, false);
	json_string(j, "kind", word);
	json_array_begin(j, "entries");
	for (size_t i = 0; i < record.count; i++)
		if (record.entries[i].type != MANIFEST_DIR)
			entry_list(context, NULL, record.entries[i].path + prefix, record.entries[i].size,
				   record.entries[i].target, false);
	json_array_end(j);
	cmd_print(context, "%s: %s client, not counting its identity\n", request.client_dir,
		  word != NULL ? word : "an incomplete");
	return 0;
}

/* After any rollback.  With a signal pending this does not return: we die by it, for the caller's shell to see. */
static void interrupt_end(const struct cmd_context *context, const struct fault *f)
{
	if (proc_interrupt_pending() != 0) {
		report_say(context->report, REPORT_WARNING, "%s",
			   f->kind != FAULT_NONE ? f->text : "interrupted, but the new client was already in place");
		(void)fflush(stdout);
	}
	proc_interrupt_end();
}

static int run(struct cmd_context *context, struct fault *f)
{
	int64_t bar_ms = 0; /* when bar_draw() last drew */
	char reader[PATH_MAX];

	proc_child_program("okv-luna-unarchive", reader);
	request.root = context->root;
	request.settings = &context->settings;
	if (request.client_dir == NULL)
		request.client_dir = context->settings.client_dir;
	request.archives = context->operands;
	request.archive_count = context->operand_count;
	request.accept_licence = request.accept_licence || list;
	request.dry_run = context->dry_run || list;
	request.reader = reader;
	request.report = context->report;
	if (client_request_check(&request, f) < 0)
		return -1;
	if (list && !roll_back && context->operand_count == 0)
		return installed_list(context, f);
	if (roll_back != (context->operand_count == 0))
		return fault_usage(f, roll_back ? "--rollback takes no archive" : "which archive?");
	if (!request.dry_run && cmd_lock(context, f) < 0)
		return -1;
	if (roll_back)
		return rollback(context, f);

	if (!context->json && !context->quiet && isatty(STDERR_FILENO) == 1) {
		request.progress = bar_draw;
		request.context = &bar_ms;
	}
	CLIENT_RESULT_AUTO result = { 0 };
	proc_interrupt_watch();
	const int r = client_install(&request, &result, f);
	if (bar_ms != 0)
		cmd_progress("%s", "");
	interrupt_end(context, f);
	if (r < 0)
		return -1;
	if (list && !context->json) {
		content_list(context, &result.content);
		struct text_line line;
		for (size_t at = 0;
		     text_line_next(result.package_files.bytes, result.package_files.length, &at, &line);)
			cmd_print(context, "%11s  %s\n", "rpm", SHOWN_BYTES(line.bytes, line.length));
	}
	if (context->json)
		result_json(context, &result);
	else
		result_print(context, &result);
	return 0;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-extract",
	.summary = "Install a Luna client from the vendor's archive, whole or not at all",
	.operands = "[ARCHIVE...]",
	.operands_most = 16,
	.options = options,
	.run = run,
};
