/*
 * okv-luna extract: a Luna client from the archive that the vendor delivers, whole or not at all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/install.h"
#include "client/layout.h"
#include "cmd/tool.h"

static struct {
	const char *to, *kind, *sha256;
	uint64_t max_bytes, max_entries;
	bool list, rollback, accept_licence;
} wanted;

static const struct option options[] = {
	OPTION_ROW(0, "to", OPTION_TEXT, &wanted.to, "DIR", "install there (default CLIENT_DIR of okv-luna.conf)"),
	OPTION_ROW(0, "kind", OPTION_CHOICE, &wanted.kind, "auto|minimal|cloud|full",
		   "refuse any other kind of client (default auto)"),
	OPTION_ROW(0, "sha256", OPTION_TEXT, &wanted.sha256, "HEX", "refuse an archive with another SHA-256"),
	OPTION_ROW(0, "list", OPTION_FLAG, &wanted.list, NULL, "show what would be placed where, change nothing"),
	OPTION_ROW(0, "max-bytes", OPTION_SIZE, &wanted.max_bytes, "N", "refuse more than that, unpacked (default 4G)"),
	OPTION_RANGE(0, "max-entries", OPTION_NUMBER, 1, 1000000, &wanted.max_entries, "N",
		     "refuse more files and directories (default 50000)"),
	OPTION_ROW(0, "accept-licence", OPTION_FLAG, &wanted.accept_licence, NULL,
		   "the vendor's licence of the full client is accepted"),
	OPTION_ROW(0, "rollback", OPTION_FLAG, &wanted.rollback, NULL, "put the previous client back"),
	OPTION_END,
};

/* --- the bar ------------------------------------------------------------------------------------------------------ */

struct bar {
	bool shown;
	int64_t last_ms;
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void bar_draw(void *context, uint64_t read, uint64_t of, uint64_t placed, uint64_t files)
{
	enum { EVERY_MS = 100, WIDTH = 30 };
	static const char full[] = "##############################";
	struct bar *bar = context;
	const int64_t now = now_ms();

	if (now - bar->last_ms < EVERY_MS)
		return;
	bar->last_ms = now;
	bar->shown = true;
	if (read > of)
		read = of;
	const int part = read > 0 && of > 0 ? (int)(read * WIDTH / of) : 0;
	(void)fprintf(stderr, "\r[%.*s%*s] %" PRIu64 " files, %" PRIu64 " MB\033[K", part, full, WIDTH - part, "",
		      files, placed >> 20);
}

static void bar_end(struct bar *bar)
{
	if (bar->shown)
		(void)fprintf(stderr, "\r\033[K");
	bar->shown = false;
}

/* --- what was done ------------------------------------------------------------------------------------------------ */

static void size_say(uint64_t bytes, char ret_text[32])
{
	static const char *const units[] = { "bytes", "KB", "MB", "GB" };
	unsigned unit = 0;
	uint64_t whole = bytes, tenth = 0;

	while (whole >= 1024 && unit < 3) {
		tenth = whole % 1024 * 10 / 1024;
		whole /= 1024;
		unit++;
	}
	if (unit == 0 || whole >= 100)
		(void)snprintf(ret_text, 32, "%" PRIu64 " %s", whole, units[unit]);
	else
		(void)snprintf(ret_text, 32, "%" PRIu64 ".%" PRIu64 " %s", whole, tenth, units[unit]);
}

static void list_print(const struct cmd_context *context, const struct client_result *result, const char *client_dir)
{
	char path[LIMITS_PATH + 1], size[32];

	for (size_t i = 0; i < result->content.unpacked.count; i++) {
		const struct unpack_entry *e = &result->content.unpacked.entries[i];
		if (!client_layout_path(&result->content, e->path, path)) {
			if (e->type != PIPE_ENTRY_DIRECTORY)
				cmd_print(context, "not placed   %s\n", SHOWN(e->path));
			continue;
		}
		switch (e->type) {
		case PIPE_ENTRY_DIRECTORY:
			continue;
		case PIPE_ENTRY_LINK:
			cmd_print(context, "%11s  %s/%s -> %s\n", "link", client_dir, SHOWN(path), SHOWN(e->target));
			continue;
		case PIPE_ENTRY_FILE:
		case PIPE_ENTRY_HARD_LINK:
			size_say(e->size, size);
			cmd_print(context, "%11s  %s/%s\n", e->type == PIPE_ENTRY_FILE ? size : "copy", client_dir,
				  SHOWN(path));
			continue;
		}
	}
	if (result->content.library[0] != '\0')
		cmd_print(context, "%11s  %s/lib/libCryptoki2_64.so -> ../%s\n", "link", client_dir,
			  SHOWN(result->content.library));
}

static void lines_array(struct json *j, const char *key, const struct text *lines)
{
	json_array_begin(j, key);
	for (const char *at = text_string(lines); *at != '\0';) {
		const size_t length = strcspn(at, "\n");
		json_string_bytes(j, NULL, at, length);
		at += length + (at[length] == '\n');
	}
	json_array_end(j);
}

static void lines_say(const struct cmd_context *context, const struct text *lines, const char *what)
{
	for (const char *at = text_string(lines); *at != '\0';) {
		const size_t length = strcspn(at, "\n");
		cmd_print(context, "%s: %s\n", SHOWN_BYTES(at, length), what);
		at += length + (at[length] == '\n');
	}
}

static const char *conf_word(enum client_conf conf)
{
	switch (conf) {
	case CLIENT_CONF_WRITTEN:
		return "written";
	case CLIENT_CONF_KEPT:
		return "kept";
	case CLIENT_CONF_NONE:
		break;
	}
	return "none";
}

static void receipt_json(const struct cmd_context *context, const struct client_result *result, const char *client_dir,
			 bool planned)
{
	struct json j;
	char path[LIMITS_PATH + 1];

	json_init(&j, context->result);
	json_object_begin(&j, NULL);
	json_string(&j, "command", "okv-luna-extract");
	json_number(&j, "exit", 0);
	json_bool(&j, "dry_run", planned);
	json_bool(&j, "changed", result->changed);
	json_string(&j, "kind", client_kind_name(result->content.kind));
	json_string(&j, "version", result->content.version[0] != '\0' ? result->content.version : NULL);
	json_string(&j, "format", text_string(&result->content.unpacked.format));
	json_string(&j, "sha256", result->sha256[0] != '\0' ? result->sha256 : NULL);
	json_string(&j, "client_dir", client_dir);
	json_string(&j, "library", result->content.library[0] != '\0' ? result->content.library : NULL);
	json_unsigned(&j, "files", result->content.unpacked.files);
	json_unsigned(&j, "bytes", result->content.unpacked.bytes);
	json_string(&j, "chrystoki_conf", conf_word(result->conf));
	lines_array(&j, "carried", &result->carried.paths);
	lines_array(&j, "packages", &result->packages);
	lines_array(&j, "covered", &result->content.unpacked.covered);
	json_bool(&j, "previous_kept", result->previous_kept);
	json_array_begin(&j, "entries");
	for (size_t i = 0; planned && i < result->content.unpacked.count; i++) {
		const struct unpack_entry *e = &result->content.unpacked.entries[i];
		if (e->type == PIPE_ENTRY_DIRECTORY)
			continue;
		json_object_begin(&j, NULL);
		json_string(&j, "member", e->path);
		json_string(&j, "path", client_layout_path(&result->content, e->path, path) ? path : NULL);
		json_unsigned(&j, "size", e->size);
		json_string(&j, "target", e->target);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
}

static void receipt_print(const struct cmd_context *context, const struct client_result *result, const char *client_dir,
			  bool planned)
{
	const struct client_content *c = &result->content;
	char size[32];

	size_say(result->content.unpacked.bytes, size);
	cmd_print(context, "%s client%s%s (%s): %" PRIu64 " files, %s\n", client_kind_name(c->kind),
		  c->version[0] != '\0' ? " " : "", SHOWN(c->version), text_string(&result->content.unpacked.format),
		  result->content.unpacked.files, size);
	lines_say(context, &result->packages,
		  !result->placed ? "installed"
		  : planned       ? "would be installed by rpm"
				  : "installed by rpm");
	lines_say(context, &result->carried.paths,
		  planned ? "would be carried over from the old client" : "carried over from the old client");
	switch (result->conf) {
	case CLIENT_CONF_WRITTEN:
		cmd_print(context, "%s: %swritten from the archive's template\n", context->settings.chrystoki_conf,
			  planned ? "would be " : "");
		break;
	case CLIENT_CONF_KEPT:
		cmd_print(context, "%s: kept as it is\n", context->settings.chrystoki_conf);
		break;
	case CLIENT_CONF_NONE:
		break;
	}
	cmd_print(context, "%s: %s%s\n", client_dir,
		  !result->placed ? "installed already"
		  : planned       ? "would be installed"
				  : "installed",
		  planned || !result->changed ? "; nothing was changed" : "");
	if (!planned && result->placed && result->previous_kept)
		cmd_print(context, "the client before it is kept: 'okv-luna extract --rollback' puts it back\n");
	if (!planned && result->changed)
		cmd_print(context, "next: 'okv-luna repair' for owners and modes, 'okv-luna config wire' for OKV\n");
}

/* --- command ------------------------------------------------------------------------------------------------------ */

static int rollback(struct cmd_context *context, const struct client_request *request, struct fault *f)
{
	struct json j;
	bool finished;

	if (client_rollback(request, &finished, f) < 0)
		return -1;
	if (context->json) {
		json_init(&j, context->result);
		json_object_begin(&j, NULL);
		json_string(&j, "command", "okv-luna-extract");
		json_number(&j, "exit", 0);
		json_bool(&j, "dry_run", request->dry_run);
		json_bool(&j, "changed", true);
		json_string(&j, "client_dir", request->client_dir);
		json_object_end(&j);
	}
	cmd_print(context, "%s: %s\n", request->client_dir,
		  !request->dry_run ? "the previous client is back; the one it replaces is the previous now"
		  : finished        ? "is back already; what is left of an earlier --rollback would be completed"
				    : "would be exchanged with the previous client");
	return 0;
}

static int digest_check(const char *hex, char ret_lower[SHA256_HEX_SIZE], struct fault *f)
{
	const size_t length = strlen(hex);

	if (length != SHA256_HEX_SIZE - 1 || strspn(hex, "0123456789abcdefABCDEF") != length)
		return fault_usage(f, "--sha256 wants 64 hexadecimal digits");
	for (size_t i = 0; i <= length; i++)
		ret_lower[i] = (char)(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] + 32 : hex[i]);
	return 0;
}

static int directory_check(const char *directory, struct fault *f)
{
	const size_t length = strlen(directory);

	if (directory[0] != '/' || length < 2 || length >= 1024 || directory[length - 1] == '/' ||
	    strpbrk(directory, ":\\*?[") != NULL)
		return fault_usage(f,
				   "--to wants the full path of a directory, without '/' at its end, ':' or wildcards");
	return 0;
}

static int run(struct cmd_context *context, struct fault *f)
{
	char sha256[SHA256_HEX_SIZE];
	struct bar bar = { .shown = false };
	const bool planned = context->dry_run || wanted.list;
	struct client_request request = {
		.root = context->root,
		.root_path = context->root_path,
		.settings = &context->settings,
		.client_dir = wanted.to != NULL ? wanted.to : context->settings.client_dir,
		.archives = context->operands,
		.archive_count = context->operand_count,
		.max_bytes = wanted.max_bytes,
		.max_entries = wanted.max_entries,
		.accept_licence = wanted.accept_licence || wanted.list,
		.dry_run = planned,
		.report = context->report,
	};

	if (directory_check(request.client_dir, f) < 0)
		return -1;
	if (wanted.kind != NULL)
		(void)client_kind_parse(wanted.kind, &request.kind);
	if (wanted.sha256 != NULL) {
		if (digest_check(wanted.sha256, sha256, f) < 0)
			return -1;
		request.sha256 = sha256;
	}
	if (wanted.rollback != (context->operand_count == 0))
		return fault_usage(f, wanted.rollback ? "--rollback takes no archive" : "which archive?");
	if (!planned && cmd_lock(context, f) < 0)
		return -1;
	if (wanted.rollback)
		return rollback(context, &request, f);

	if (!context->json && !context->quiet && isatty(STDERR_FILENO) == 1) {
		request.progress = bar_draw;
		request.context = &bar;
	}
	CLIENT_RESULT_AUTO result = { 0 };
	const int r = client_install(&request, &result, f);
	bar_end(&bar);
	if (r < 0)
		return -1;
	if (wanted.list && !context->json)
		list_print(context, &result, request.client_dir);
	if (context->json)
		receipt_json(context, &result, request.client_dir, planned);
	else
		receipt_print(context, &result, request.client_dir, planned);
	return 0;
}

const struct cmd_tool cmd_tool = {
	.name = "okv-luna-extract",
	.summary = "Install a Luna client from the vendor's archive, whole or not at all",
	.operands = "[ARCHIVE...]",
	.operands_least = 0,
	.operands_most = 16,
	.options = options,
	.needs = CMD_SUPERUSER | CMD_SETTINGS,
	.run = run,
};
