/* Where a walk stands in a policy, and what the policy makes of an entry there (conf/policy.h). */
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/policy.h"

enum { WORD_BITS = 64, WORDS = POLICY_RULES_MAX / WORD_BITS, PERMISSION_BITS = 07777 };

static void set_put(struct policy_set *set, size_t rule)
{
	set->words[rule / WORD_BITS] |= UINT64_C(1) << (rule % WORD_BITS);
}

bool policy_set_any(const struct policy_set *set)
{
	uint64_t all = 0;

	for (size_t i = 0; i < WORDS; i++)
		all |= set->words[i];
	return all != 0;
}

bool policy_reaches(const struct policy_place *place)
{
	return policy_set_any(&place->partial) || policy_set_any(&place->applies) || policy_set_any(&place->covers);
}

void policy_root(const struct policy *p, struct policy_place *ret_place)
{
	*ret_place = (struct policy_place){ .depth = 0 };
	for (size_t i = 0; i < p->count; i++) {
		if (p->rules[i].count > 0) {
			set_put(&ret_place->partial, i);
		} else {
			/* Only a mark can be the root itself. */
			set_put(&ret_place->covers, i);
			set_put(&ret_place->applies, i);
		}
	}
}

void policy_step(const struct policy *p, const struct policy_place *from, const char *name,
		 struct policy_place *ret_place)
{
	*ret_place = (struct policy_place){ .depth = from->depth + 1, .covers = from->covers, .applies = from->covers };
	for (size_t word = 0; word < WORDS; word++) {
		for (uint64_t left = from->partial.words[word]; left != 0; left &= left - 1) {
			const size_t which = word * WORD_BITS + (size_t)__builtin_ctzll(left);
			const struct policy_rule *rule = &p->rules[which];
			const char *component = rule->components[from->depth];
			/* Past the plain components a name is compared as a pattern, which plain ones are too. */
			const bool match = from->depth < rule->plain
						   ? strcmp(component, name) == 0
						   : fnmatch(component, name, FNM_PERIOD | FNM_NOESCAPE) == 0;
			if (!match)
				continue;
			if (rule->count > from->depth + 1) {
				set_put(&ret_place->partial, which);
				continue;
			}
			set_put(&ret_place->applies, which);
			if (rule->recursive)
				set_put(&ret_place->covers, which);
		}
	}
}

/* What one rule makes of a mode. */
static mode_t mode_apply(const struct policy_rule *rule, mode_t now)
{
	mode_t mode = rule->mode;

	if (rule->masked) {
		if ((now & 0111) == 0)
			mode &= ~(mode_t)0111;
		if ((now & 0222) == 0)
			mode &= ~(mode_t)0222;
		if ((now & 0444) == 0)
			mode &= ~(mode_t)0444;
		if (!S_ISDIR(now))
			mode &= ~(mode_t)07000;
	}
	if (rule->keep_set_id && S_ISDIR(now))
		mode |= now & (S_ISUID | S_ISGID);
	return (now & ~(mode_t)PERMISSION_BITS) | mode;
}

bool policy_target(const struct policy *p, const struct policy_place *place, const struct policy_state *state,
		   struct policy_state *ret_target)
{
	bool moded = false;

	*ret_target = *state;
	if (!S_ISREG(state->mode) && !S_ISDIR(state->mode))
		return false;
	for (size_t word = 0; word < WORDS; word++) {
		for (uint64_t left = place->applies.words[word]; left != 0; left &= left - 1) {
			const struct policy_rule *rule = &p->rules[word * WORD_BITS + (size_t)__builtin_ctzll(left)];
			if (S_ISDIR(state->mode) ? rule->files_only : rule->directories_only)
				continue;
			if (rule->uid != POLICY_ID_KEEP)
				ret_target->uid = rule->uid;
			if (rule->gid != POLICY_ID_KEEP)
				ret_target->gid = rule->gid;
			if (rule->has_mode) {
				ret_target->mode = mode_apply(rule, ret_target->mode);
				moded = true;
			}
		}
	}
	return moded;
}
