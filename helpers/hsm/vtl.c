#include "hsm/vtl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proc/identity.h"
#include "proc/run.h"
#include "hsm/environment.h"
#include "hsm/file.h"
#include "hsm/tree.h"

void hsm_vtl_done(struct hsm_vtl *vtl)
{
	free(vtl->file);
	free(vtl->rows);
	text_done(&vtl->differences);
	*vtl = (struct hsm_vtl)HSM_VTL_INIT;
}

/* *ret_path stays NULL where no vtl is installed. */
static int vtl_find(const struct hsm_question *q, char **ret_path, struct fault *f)
{
	static const char *const places[] = { "bin/vtl", "bin/64/vtl" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		HSM_FILE_AUTO file = HSM_FILE_INIT;
		TEXT_AUTO path = { 0 };
		struct fault why = { 0 };
		text_add_format(&path, "%s/%s", q->settings->client_dir, places[i]);
		if (text_check(&path, f) < 0)
			return -1;
		if (hsm_file_open(q->root, text_string(&path), &file, &why) == 0) {
			*ret_path = text_take(&path);
			return 0;
		}
		if (why.kind != FAULT_ABSENT) {
			*f = why;
			return -1;
		}
	}
	return 0;
}

static const struct hsm_row *row_by_serial(const struct hsm_vtl *vtl, const char *serial)
{
	for (size_t i = 0; i < vtl->count; i++)
		if (vtl->rows[i].present && strcmp(vtl->rows[i].serial, serial) == 0)
			return &vtl->rows[i];
	return NULL;
}

static const struct hsm_slot *slot_by_serial(const struct hsm_answer *answer, const char *serial)
{
	for (size_t i = 0; i < answer->slot_count; i++)
		if (answer->slots[i].present && strcmp(answer->slots[i].serial, serial) == 0)
			return &answer->slots[i];
	return NULL;
}

static void compare(const struct hsm_answer *answer, struct hsm_vtl *vtl)
{
	struct text *out = &vtl->differences;

	for (size_t i = 0; i < answer->slot_count; i++) {
		const struct hsm_slot *slot = &answer->slots[i];
		if (!slot->present)
			continue;
		const struct hsm_row *row = row_by_serial(vtl, slot->serial);
		if (row == NULL) {
			text_add_format(out, "the library shows token '%s' (serial %s), vtl does not\n",
					SHOWN(slot->label), SHOWN(slot->serial));
			continue;
		}
		if (row->id != slot->id)
			text_add_format(
				out, "serial %s is in slot %" PRIu64 " for the library, in slot %" PRIu64 " for vtl\n",
				SHOWN(slot->serial), slot->id, row->id);
		if (strcmp(row->label, slot->label) != 0)
			text_add_format(out, "serial %s has label '%s' for the library, '%s' for vtl\n",
					SHOWN(slot->serial), SHOWN(slot->label), SHOWN(row->label));
	}
	for (size_t i = 0; i < vtl->count; i++)
		if (vtl->rows[i].present && slot_by_serial(answer, vtl->rows[i].serial) == NULL)
			text_add_format(out, "vtl shows token '%s' (serial %s), the library does not\n",
					SHOWN(vtl->rows[i].label), SHOWN(vtl->rows[i].serial));
}

static int table_take(const struct proc_outcome *outcome, struct hsm_vtl *vtl, struct fault *f)
{
	const char *said = text_string(&outcome->output);
	const int count = hsm_table_read(said, outcome->output.length, NULL, 0);

	vtl->table_found = count >= 0;
	if (count <= 0)
		return 0;
	vtl->rows = calloc((size_t)count, sizeof(*vtl->rows));
	if (vtl->rows == NULL)
		return fault_memory(f);
	vtl->count = (size_t)count;
	(void)hsm_table_read(said, outcome->output.length, vtl->rows, vtl->count);
	return 0;
}

int hsm_vtl_run(const struct hsm_question *question, const struct hsm_answer *answer, struct hsm_vtl *ret_vtl,
		struct fault *f)
{
	HSM_VTL_AUTO vtl = HSM_VTL_INIT;
	HSM_ENVIRONMENT_AUTO environment = { 0 };
	struct proc_identity identity;
	struct proc_run run = PROC_RUN_INIT;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (vtl_find(question, &vtl.file, f) < 0)
		return -1;
	if (vtl.file == NULL)
		goto done;
	/* Its warnings were said when the library was asked. */
	if (hsm_environment_read(question->root, NULL, &environment, f) < 0 ||
	    proc_identity_read(question->root, answer->user, &identity, f) < 0 ||
	    hsm_tree_root(question->root, &run.root, f) < 0)
		return -1;
	const char *const argv[] = { vtl.file, "listslots", NULL };
	run.argv = argv;
	run.environment = (const char *const *)(uintptr_t)environment.items;
	run.identity = &identity;
	run.deadline_ms = (unsigned)hsm_timeout_ms(question);
	if (proc_run(&run, &outcome, f) < 0)
		return -1;
	vtl.status = outcome.status;
	vtl.late = outcome.late;
	const int r = table_take(&outcome, &vtl, f);
	if (r == 0 && vtl.late)
		text_add_format(&vtl.differences, "vtl did not answer within %u ms\n", run.deadline_ms);
	else if (r == 0 && !vtl.table_found)
		text_add_format(&vtl.differences, "vtl printed no table of slots (status %d): '%s'\n", vtl.status,
				SHOWN_BYTES(text_string(&outcome.output), strcspn(text_string(&outcome.output), "\n")));
	else if (r == 0)
		compare(answer, &vtl);
	proc_outcome_done(&outcome);
	if (r < 0 || text_check(&vtl.differences, f) < 0)
		return -1;
done:
	*ret_vtl = vtl;
	vtl = (struct hsm_vtl)HSM_VTL_INIT;
	return 0;
}

void hsm_vtl_json(const struct hsm_vtl *vtl, struct json *j)
{
	json_object_begin(j, "vtl");
	json_string(j, "file", vtl->file);
	if (vtl->file != NULL) {
		json_number(j, "status", vtl->status);
		json_bool(j, "late", vtl->late);
		json_array_begin(j, "slots");
		for (size_t i = 0; i < vtl->count; i++) {
			json_object_begin(j, NULL);
			json_unsigned(j, "id", vtl->rows[i].id);
			json_string(j, "description", vtl->rows[i].description);
			json_string(j, "label", vtl->rows[i].label);
			json_string(j, "serial", vtl->rows[i].serial);
			json_bool(j, "present", vtl->rows[i].present);
			json_object_end(j);
		}
		json_array_end(j);
		json_array_begin(j, "differences");
		for (const char *line = text_string(&vtl->differences); *line != '\0'; line += strcspn(line, "\n") + 1)
			json_string_bytes(j, NULL, line, strcspn(line, "\n"));
		json_array_end(j);
	}
	json_object_end(j);
}
