/*
 * upgrade/guide: every line for ten releases, six systems and four procedures, against the integration guide and Oracle's
 * HSM guide as they are written (sections on the client, OKV's set-up, upgrade, restore, cluster), not against the code.
 */
#include "unit.h"

#include "fs/root.h"
#include "upgrade/guide.c"
#include "upgrade/tree.h"

/* --- what the guides say ------------------------------------------------------------------------------------------ */

/* Each certified release, and where the console changed. */
static const struct release {
	const char *okv, *vendor;
	bool label, generic;
	const char *page, *backup, *before_upgrade;
} releases[] = {
	{ "12.2.0.8", "SafeNet", false, false, "System, Hardware Security Module", "System, System Backup",
	  "wallet-copy reverse-migrate" },
	{ "18.1", "SafeNet", false, false, "System, Hardware Security Module", "System, System Backup", "vg-root" },
	{ "18.3", "SafeNet", false, false, "System, Hardware Security Module", "System, System Backup", "vg-root" },
	{ "18.4", "SafeNet", true, false, "System, Hardware Security Module", "System, System Backup", "vg-root" },
	{ "18.5", "Thales", true, false, "System, Hardware Security Module", "System, System Backup", "vg-root" },
	{ "21.1", "Thales", true, false, "System, Settings, Network Services, HSM",
	  "System, Settings, System Configuration, Backup and Restore", "disk" },
	{ "21.2", "Thales", true, false, "System, Settings, Network Services, HSM",
	  "System, Settings, System Configuration, Backup and Restore", "disk" },
	{ "21.3", "Thales_Luna", true, true, "System, Settings, Network Services, HSM",
	  "System, Settings, System Configuration, Backup and Restore", "disk" },
	{ "21.5", "Thales_Luna", true, true, "System, Settings, Network Services, HSM",
	  "System, Settings, System Configuration, Backup and Restore", "disk" },
	{ "21.10", "Thales_Luna", true, true, "System, Settings, Network Services, HSM",
	  "System, Settings, System Configuration, Backup and Restore", "disk" },
};

/* Each system, the steps of its installation without and with generic files, and the vendor where 21.3 changes it. */
static const struct system {
	const char *name, *kind, *client;
	bool ha, v6;
	const char *before_21_3, *from_21_3, *vendor_from_21_3;
} systems[] = {
	{ "Luna HSM", "network", "10.4", false, false,
	  "partition client certificate exchange server assign verify group reach reboot-group initialize key status",
	  "partition client certificate exchange server assign verify group reach reboot-group wire slots reboot-files "
	  "initialize key status",
	  "Thales_Luna" },
	{ "HA", "network", "10.4", true, false,
	  "partition client certificate exchange server assign verify ha-group ha-only group reach reboot-group "
	  "initialize key status",
	  "partition client certificate exchange server assign verify ha-group ha-only group reach reboot-group wire "
	  "slots reboot-files initialize key status",
	  "Thales_Luna" },
	{ "client v6.x", "network", "6.3", false, true,
	  "partition client-v6 certificate exchange server assign verify reach initialize key status",
	  "partition client-v6 certificate exchange server assign verify reach initialize key status",
	  "the guide names no vendor for a v6.x client from OKV 21.3 on; ask Thales support" },
	{ "Cloud HSM, minimum client", "cloud-min", "10.4", false, false,
	  "service client-min roles modes reach initialize key status",
	  "service client-min roles modes reach wire slots initialize key status",
	  "Thales_Luna (the guide does not say it for the minimum client)" },
	{ "Cloud HSM, full client", "cloud-full", "10.4", false, false,
	  "service client service-client merge service-delete roles group reach reboot-group initialize key status",
	  "service client service-client merge service-delete roles group reach reboot-group wire slots reboot-files "
	  "initialize key status",
	  "Thales_Luna" },
	{ "hybrid", "hybrid", "10.4", false, false,
	  "partition service client certificate exchange server assign verify service-client merge service-delete "
	  "roles "
	  "group reach reboot-group initialize key status",
	  "partition service client certificate exchange server assign verify service-client merge service-delete "
	  "roles "
	  "group reach reboot-group wire slots reboot-files initialize key status",
	  "Thales_Luna" },
};

enum { RELEASES = sizeof(releases) / sizeof(releases[0]), SYSTEMS = sizeof(systems) / sizeof(systems[0]) };

/* --- what guide says ---------------------------------------------------------------------------------------------- */

struct asked {
	int root;
	struct guide_node node;
	struct guide_list list;
};

static void asked_done(struct asked *a)
{
	guide_list_done(&a->list);
	guide_node_done(&a->node);
}
#define ASKED_AUTO __attribute__((cleanup(asked_done))) struct asked

static void ask_with(struct asked *a, const struct guide_overrides *said, enum guide_procedure procedure,
		     unsigned signs)
{
	const struct text marks = { 0 };
	struct fault f = { 0 };

	asked_done(a);
	MUST(guide_node_find(a->root, tree_settings(), said, &a->node, &f));
	MUST(list_make(&a->node, procedure, signs, &marks, &a->list, &f));
}

static void ask(struct asked *a, size_t release, size_t which, enum guide_procedure procedure)
{
	const struct guide_overrides said = { .okv = releases[release].okv,
					      .kind = systems[which].kind,
					      .client = systems[which].client,
					      .ha = systems[which].ha };
	ask_with(a, &said, procedure, 0);
}

/* The steps that are needed, and nothing said about those that are not known to be. */
static void needed(const struct asked *a, struct text *out)
{
	for (size_t i = 0; i < a->list.count; i++) {
		const struct guide_line *line = &a->list.lines[i];
		/* Who is told to skip a step is told why. */
		assert_int_equal(line->state == GUIDE_SKIP, line->why.length > 0);
		if (line->state != GUIDE_SKIP)
			text_add_format(out, "%s%s", out->length > 0 ? " " : "", line->step->id);
	}
}

static void assert_needed(const struct asked *a, const char *wanted)
{
	TEXT_AUTO shown = { 0 };

	needed(a, &shown);
	assert_string_equal(text_string(&shown), wanted);
}

static const struct guide_line *line_find(const struct asked *a, const char *id)
{
	for (size_t i = 0; i < a->list.count; i++)
		if (strcmp(a->list.lines[i].step->id, id) == 0)
			return &a->list.lines[i];
	fail_msg("no step '%s'", id);
	return NULL;
}

static void assert_text_holds(const struct asked *a, const char *id, const char *words, bool holds)
{
	TEXT_AUTO text = { 0 };

	expand(&a->node, line_find(a, id)->step->text, &text);
	if ((strstr(text_string(&text), words) != NULL) != holds)
		fail_msg("%s: '%s' %s '%s'", a->node.described.bytes, text_string(&text), holds ? "lacks" : "has",
			 words);
}

/* --- each line ---------------------------------------------------------------------------------------------------- */

static void installation_of_each_release_and_system(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	TEXT_AUTO words = { 0 };

	for (size_t r = 0; r < RELEASES; r++) {
		for (size_t s = 0; s < SYSTEMS; s++) {
			ask(&a, r, s, GUIDE_INSTALL);
			assert_needed(&a, releases[r].generic ? systems[s].from_21_3 : systems[s].before_21_3);
			text_cut(&words, 0);
			text_add_format(&words, "%s: Initialize. Vendor: %s. HSM Credential", releases[r].page,
					releases[r].generic ? systems[s].vendor_from_21_3 : releases[r].vendor);
			assert_text_holds(&a, "initialize", text_string(&words), true);
			assert_text_holds(&a, "initialize", "Use Token Label", releases[r].label);
		}
	}
}

static void the_label_of_the_settings_is_the_one_to_give(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	struct settings *s = tree_settings();
	struct fault f = { 0 };

	MUST(settings_parse(s, "x", "TOKEN_LABEL=\"okv 1\"\n", 20, &f));
	ask(&a, RELEASES - 1, 0, GUIDE_INSTALL);
	assert_text_holds(&a, "initialize", "enter the partition's label, 'okv 1'", true);
	settings_done(s);
}

static void certificates_are_pointed_at_up_to_client_10_1(void **state)
{
	static const struct {
		const char *client;
		bool needed;
	} clients[] = { { "7.4", true }, { "10.1", true }, { "10.2", false }, { "10.4", false }, { "10.10", false } };
	ASKED_AUTO a = { .root = tree_root(state) };

	for (size_t r = 0; r < RELEASES; r++) {
		for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
			const struct guide_overrides said = { .okv = releases[r].okv,
							      .kind = "cloud-full",
							      .client = clients[i].client };
			ask_with(&a, &said, GUIDE_INSTALL, 0);
			assert_int_equal(line_find(&a, "certificates")->state != GUIDE_SKIP, clients[i].needed);
		}
	}
}

static void upgrade_of_each_release_and_system(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };

	for (size_t r = 0; r < RELEASES; r++) {
		for (size_t s = 0; s < SYSTEMS; s++) {
			/* The guide's states: 21.3 and later, clients other than v6.x. */
			const bool states = releases[r].generic && !systems[s].v6;
			const bool first = strcmp(releases[r].okv, "12.2.0.8") == 0;
			TEXT_AUTO wanted = { 0 };
			text_add_format(&wanted, "status backup %s image %s %spage %soracle-steps backup-after",
					releases[r].before_upgrade, states ? "pre-upgrade upgrade" : "upgrade-okv",
					first ? "enable-hsm " : "", states ? "post-upgrade " : "");
			ask(&a, r, s, GUIDE_UPGRADE);
			assert_needed(&a, text_string(&wanted));
			assert_text_holds(&a, "backup", releases[r].backup, true);
			assert_text_holds(&a, "page", releases[r].page, true);
			assert_text_holds(&a, "disk", "21.10 and 21.11 need a disk of 1 TB and about 64 GB of swap",
					  true);
		}
	}
}

static void upgrade_in_a_cluster_goes_in_its_order(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides said = { .okv = "21.5", .kind = "network", .client = "10.4", .cluster = true };

	ask_with(&a, &said, GUIDE_UPGRADE, 0);
	assert_needed(&a,
		      "order status backup disk disable-node image pre-upgrade upgrade page post-upgrade enable-node "
		      "oracle-steps backup-after");
	assert_text_holds(&a, "order", "Read-only nodes first, then the read-write pairs", true);
}

static void restore_of_each_release_and_system(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };

	for (size_t r = 0; r < RELEASES; r++) {
		for (size_t s = 0; s < SYSTEMS; s++) {
			TEXT_AUTO vendor = { 0 };
			ask(&a, r, s, GUIDE_RESTORE);
			assert_needed(&a, systems[s].v6 ? "hsm-mode client slots key credential restore status"
					  : releases[r].generic
						  ? "hsm-mode client wire modes slots key credential restore status"
						  : "hsm-mode client modes slots key credential restore status");
			text_add_format(&vendor, "Vendor: %s. HSM",
					releases[r].generic ? systems[s].vendor_from_21_3 : releases[r].vendor);
			assert_text_holds(&a, "credential", text_string(&vendor), true);
			assert_text_holds(&a, "credential", releases[r].page, true);
			assert_text_holds(&a, "credential", "Use Token Label", releases[r].label);
			assert_text_holds(&a, "restore", releases[r].backup, true);
			assert_text_holds(&a, "restore", "The system restarts by itself", true);
		}
	}
}

static void both_ways_to_a_cluster_for_each_release_and_system(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };

	for (size_t r = 0; r < RELEASES; r++) {
		for (size_t s = 0; s < SYSTEMS; s++) {
			struct guide_overrides said = { .okv = releases[r].okv,
							.kind = systems[s].kind,
							.client = systems[s].client };
			/* HSM-enabled before it is added. */
			ask_with(&a, &said, GUIDE_CLUSTER, 0);
			assert_needed(&a, "backup first-node enable-first enable-candidate ready backup-controller add "
					  "active");
			/* Applied before the first node is reverse-migrated; removed on all nodes, last. */
			said.bundle = true;
			ask_with(&a, &said, GUIDE_CLUSTER, 0);
			assert_needed(&a,
				      "enable-first create-bundle send place apply-bundle enable-others state clean");
			assert_text_holds(&a, "apply-bundle", "before the first node is reverse-migrated", true);
		}
	}
}

/* --- what is not known is said ------------------------------------------------------------------------------------ */

static void an_unknown_release_is_a_range_by_the_generic_directory(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides said = { .kind = "network", .client = "10.4" };
	struct fault f = { 0 };

	ask_with(&a, &said, GUIDE_INSTALL, 0);
	assert_non_null(strstr(text_string(&a.node.notes), "OKV's release is not known"));
	assert_needed(&a, systems[0].before_21_3);
	assert_text_holds(&a, "initialize", "SafeNet (OKV 18.4 and earlier) or Thales (18.5 to 21.2)", true);
	assert_text_holds(&a, "initialize", "OKV 18.3 and earlier do not support it", true);

	MUST(fs_dirs_make(a.root, SETTINGS_GENERIC, 0755, FS_FOLLOW_TRUSTED, &f));
	ask_with(&a, &said, GUIDE_INSTALL, 0);
	assert_needed(&a, systems[0].from_21_3);
	assert_text_holds(&a, "initialize", "Vendor: Thales_Luna. HSM", true);
}

static void menus_of_18_6_to_18_8_are_said_to_be_unknown(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };

	for (unsigned minor = 6; minor <= 8; minor++) {
		char okv[8];
		(void)snprintf(okv, sizeof(okv), "18.%u", minor);
		const struct guide_overrides said = { .okv = okv, .kind = "network", .client = "10.4" };
		ask_with(&a, &said, GUIDE_INSTALL, 0);
		assert_text_holds(&a, "initialize", "the guide does not say where 18.6 to 18.8 have it", true);
		assert_text_holds(&a, "initialize", "Vendor: Thales. HSM", true);
	}
}

static void a_release_that_the_node_contradicts_is_noted(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides said = { .okv = "21.5", .kind = "network" };

	ask_with(&a, &said, GUIDE_INSTALL, 0);
	assert_non_null(strstr(text_string(&a.node.notes), "does not exist, as before OKV 21.3"));
}

static void an_unknown_kind_leaves_open_what_hangs_on_it(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides said = { .okv = "21.5" };

	ask_with(&a, &said, GUIDE_INSTALL, 0);
	assert_string_equal(text_string(&line_find(&a, "client")->why), "depends on the kind of system: give --kind");
	assert_non_null(strstr(text_string(&a.node.notes), "give --kind"));
}

static void wrong_words_are_refused(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides release = { .okv = "x" }, client = { .client = "ten" },
				     old = { .kind = "hybrid", .client = "7.4" };
	struct fault f = { 0 };

	MUST_FAIL(guide_node_find(a.root, tree_settings(), &release, &a.node, &f), FAULT_USAGE, "--okv");
	MUST_FAIL(guide_node_find(a.root, tree_settings(), &client, &a.node, &f), FAULT_USAGE, "--client");
	MUST_FAIL(guide_node_find(a.root, tree_settings(), &old, &a.node, &f), FAULT_REFUSED, "10.x or later");
}

/* --- which is next ------------------------------------------------------------------------------------------------ */

static void no_restart_is_next_while_the_hsm_does_not_answer(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	unsigned random = 1, seen = 0;

	for (unsigned round = 0; round < 4000; round++) {
		random = random * 1664525U + 1013904223U;
		const unsigned signs = (random >> 4) & ~(unsigned)(GUIDE_REACHED | GUIDE_SLOTS);
		const struct guide_overrides said = { .okv = releases[round % RELEASES].okv,
						      .kind = systems[round / RELEASES % SYSTEMS].kind,
						      .client = systems[round / RELEASES % SYSTEMS].client };
		ask_with(&a, &said, GUIDE_INSTALL, signs);
		assert_non_null(a.list.next);
		assert_false(text_starts(a.list.next->step->id, "reboot"));
		seen += strcmp(a.list.next->step->id, "reach") == 0;
	}
	/* Not because nothing ever came so far. */
	assert_true(seen > 50);
}

static void the_minimum_client_is_restarted_all_the_same_where_processes_lack_the_group(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides said = { .okv = "21.5", .kind = "cloud-min", .client = "10.4" };
	const unsigned so_far = GUIDE_SECTIONS | GUIDE_CLIENT_THERE | GUIDE_SEEN | GUIDE_MODES | GUIDE_REACHED;

	ask_with(&a, &said, GUIDE_INSTALL, so_far | GUIDE_RUNNING);
	assert_string_equal(a.list.next->step->id, "wire");
	ask_with(&a, &said, GUIDE_INSTALL, so_far | GUIDE_LACKING);
	assert_string_equal(a.list.next->step->id, "reboot-group");
}

static void the_last_step_counts_only_when_all_before_it_is_done(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides said = { .okv = "21.5", .kind = "network", .client = "10.4" };

	ask_with(&a, &said, GUIDE_INSTALL, GUIDE_WELL);
	assert_int_equal(line_find(&a, "status")->state, GUIDE_LATER);
	ask_with(&a, &said, GUIDE_INSTALL, ~0U & ~(unsigned)GUIDE_LACKING);
	assert_null(a.list.next);
}

/* --- what is said to be done -------------------------------------------------------------------------------------- */

static void marks_read(int root, struct text *marks)
{
	struct fault f = { 0 };

	text_cut(marks, 0);
	MUST(fs_read_config(root, marks_path, marks, &f));
}

static void what_cannot_be_seen_may_be_said_and_is_forgotten_at_the_next_beginning(void **state)
{
	ASKED_AUTO a = { .root = tree_root(state) };
	const struct guide_overrides said = { .okv = "21.5", .kind = "network", .client = "10.4" };
	TEXT_AUTO marks = { 0 };
	struct fault f = { 0 };
	GUIDE_LIST_AUTO list = { .lines = NULL };

	MUST(fs_dirs_make(a.root, SETTINGS_VAR, 0700, FS_FOLLOW_TRUSTED, &f));
	ask_with(&a, &said, GUIDE_UPGRADE, GUIDE_WELL);
	assert_string_equal(a.list.next->step->id, "backup");
	MUST(guide_mark(a.root, &a.node, GUIDE_UPGRADE, "backup", &f));
	MUST(guide_mark(a.root, &a.node, GUIDE_RESTORE, "hsm-mode", &f));
	marks_read(a.root, &marks);
	MUST(list_make(&a.node, GUIDE_UPGRADE, GUIDE_WELL, &marks, &list, &f));
	assert_string_equal(list.next->step->id, "disk");

	MUST_FAIL(guide_mark(a.root, &a.node, GUIDE_UPGRADE, "post-upgrade", &f), FAULT_REFUSED, "itself checks");
	MUST_FAIL(guide_mark(a.root, &a.node, GUIDE_UPGRADE, "vg-root", &f), FAULT_REFUSED, "not needed here");
	MUST_FAIL(guide_mark(a.root, &a.node, GUIDE_UPGRADE, "tea", &f), FAULT_USAGE, "no step 'tea'");

	MUST(guide_begin(a.root, GUIDE_UPGRADE, &f));
	marks_read(a.root, &marks);
	assert_true(mark_when(&marks, GUIDE_UPGRADE, "backup") == 0);
	assert_true(mark_when(&marks, GUIDE_UPGRADE, begin_word) > 0);
	assert_true(mark_when(&marks, GUIDE_RESTORE, "hsm-mode") > 0);
	assert_true(mark_when(&marks, GUIDE_RESTORE, begin_word) == 0);
}

static void a_damaged_record_says_nothing(void **state)
{
	static const char *const ids[] = { "partition", "yesterday", "x", "a-name-that-no-step-has", "begin" };
	TEXT_AUTO marks = { 0 };
	const int root = tree_root(state);

	tree_file(root, SETTINGS_VAR "/guide",
		  "install\ninstall partition\ninstall partition yesterday\nx partition 2026-01-02T03:04:05Z\n"
		  "install partition 2026-01-02T03:04:05Z x\n"
		  "install a-name-that-no-step-has-at-all-and-longer 2026-01-02T03:04:05Z\n\n");
	marks_read(root, &marks);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_true(mark_when(&marks, GUIDE_INSTALL, ids[i]) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(installation_of_each_release_and_system),
		UNIT_IN_PLACE(certificates_are_pointed_at_up_to_client_10_1),
		UNIT_IN_PLACE(upgrade_of_each_release_and_system),
		UNIT_IN_PLACE(upgrade_in_a_cluster_goes_in_its_order),
		UNIT_IN_PLACE(restore_of_each_release_and_system),
		UNIT_IN_PLACE(both_ways_to_a_cluster_for_each_release_and_system),
		UNIT_IN_PLACE(an_unknown_release_is_a_range_by_the_generic_directory),
		UNIT_IN_PLACE(menus_of_18_6_to_18_8_are_said_to_be_unknown),
		UNIT_IN_PLACE(a_release_that_the_node_contradicts_is_noted),
		UNIT_IN_PLACE(an_unknown_kind_leaves_open_what_hangs_on_it),
		UNIT_IN_PLACE(wrong_words_are_refused),
		UNIT_IN_PLACE(no_restart_is_next_while_the_hsm_does_not_answer),
		UNIT_IN_PLACE(the_minimum_client_is_restarted_all_the_same_where_processes_lack_the_group),
		UNIT_IN_PLACE(the_last_step_counts_only_when_all_before_it_is_done),
		UNIT_IN_PLACE(what_cannot_be_seen_may_be_said_and_is_forgotten_at_the_next_beginning),
		UNIT_IN_PLACE(a_damaged_record_says_nothing),
		UNIT_IN_PLACE(the_label_of_the_settings_is_the_one_to_give),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
