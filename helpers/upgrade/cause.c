#include "upgrade/cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static bool is_remedy_of(const struct step_result *result, const char *remedy)
{
	if (result->remedy != NULL && strcmp(result->remedy, remedy) == 0)
		return true;
	for (size_t i = 0; i < result->finding_count; i++)
		if (result->findings[i].severity > STEP_INFO && strcmp(result->findings[i].remedy, remedy) == 0)
			return true;
	return false;
}

/* The first failed step before `result` with that remedy, or NULL. */
static const struct step_result *same_cause_find(const struct upgrade_run *run, const struct step_result *result,
						 const char *remedy)
{
	if (remedy == NULL || remedy[0] == '\0')
		return NULL;
	for (const struct step_result *earlier = run->results; earlier < result; earlier++)
		if (step_result_is_bad(earlier) && is_remedy_of(earlier, remedy))
			return earlier;
	return NULL;
}

static int finding_defer(struct step_finding *finding, const struct step_result *earlier, const char *what,
			 struct fault *f)
{
	char *title = NULL;

	if (asprintf(&title, "waits for %s%s%s", earlier->row->name, what[0] != '\0' ? ": " : "", what) < 0)
		title = NULL;
	step_finding_done(finding);
	*finding = (struct step_finding){
		.severity = STEP_LOW, .title = title, .detail = strdup(""), .remedy = strdup("")
	};
	return title != NULL && finding->detail != NULL && finding->remedy != NULL ? 0 : fault_memory(f);
}

/* Turns the fault into such a finding, and the step into a skipped one. */
static int fault_defer(struct step_result *result, const struct step_result *earlier, struct fault *f)
{
	if (!ARRAY_GROW(result->findings, result->finding_count))
		return fault_memory(f);
	struct step_finding *finding = &result->findings[result->finding_count++];
	*finding = (struct step_finding){ .severity = STEP_LOW };
	const int r = finding_defer(finding, earlier, result->fault.text, f);
	free(result->remedy);
	result->remedy = NULL;
	result->outcome = STEP_SKIPPED;
	result->fault = (struct fault){ 0 };
	return r;
}

static int result_merge(const struct upgrade_run *run, struct step_result *result, struct fault *f)
{
	const struct step_result *waits = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < result->finding_count; i++) {
		struct step_finding finding = result->findings[i];
		const struct step_result *earlier = same_cause_find(run, result, finding.remedy);
		/* Owned once, whatever fails below. */
		result->findings[i] = (struct step_finding){ .severity = STEP_INFO };
		if (earlier != NULL && finding.severity == STEP_HIGH && result->outcome != STEP_FAILED)
			result->outcome = STEP_SKIPPED;
		if (earlier != NULL && (earlier == waits || finding.severity == STEP_INFO)) {
			step_finding_done(&finding);
			continue;
		}
		result->findings[kept++] = finding;
		if (earlier != NULL && finding_defer(&result->findings[kept - 1], earlier, "", f) < 0)
			return -1;
		waits = earlier != NULL ? earlier : waits;
	}
	result->finding_count = kept;
	const struct step_result *earlier = same_cause_find(run, result, result->remedy);
	return result->outcome == STEP_FAILED && earlier != NULL ? fault_defer(result, earlier, f) : 0;
}

int upgrade_run_merged(struct upgrade_run *run, const struct step_row *rows, size_t count, struct fault *f)
{
	int r = upgrade_run_steps(run, rows, count, f);

	for (size_t i = 0; r == 0 && i < run->result_count; i++)
		r = result_merge(run, &run->results[i], f);
	return r;
}
