/*
 * client/layout: Chrystoki.conf from what the archives bring.
 */
#include "client/layout.h"
#include "failing.h"
#include "made.h"

#define DIR "/usr/safenet/lunaclient"

static int client;

static int client_make(void **state)
{
	(void)unit_place_make(state);
	client = ((const struct unit_place *)*state)->dir;
	return 0;
}

/* Of an archive that brings a template of that name and nothing else. */
static int make(enum client_kind kind, const char *name, struct text *ret_conf, struct fault *f)
{
	struct client_content content = { .kind = kind };

	content.unpacked = UNPACKED(name);
	return client_layout_conf_make(client, &content, DIR, ret_conf, f);
}

static int client_end(void **state)
{
	text_done(&made_told);
	return unit_place_remove(state);
}

/* What becomes of a template with that content; valid until the next one. */
static const char *made_of(enum client_kind kind, const char *name, const char *bytes)
{
	static struct text conf = { 0 };
	struct fault f = { 0 };

	text_done(&conf);
	unit_write(client, name, bytes, 0644);
	MUST(make(kind, name, &conf, &f));
	return text_string(&conf);
}

static void every_path_becomes_absolute_and_leads_to_the_places_of_the_layout(void **state)
{
	(void)state;
	assert_string_equal(made_of(CLIENT_MINIMAL, "Chrystoki-template.conf",
				    "Chrystoki2 = {\n"
				    "   LibUNIX = ./libs/32/libCryptoki2.so;\n"
				    "   LibUNIX64 = ./libs/64/libCryptoki2.so;\n"
				    "}\n"
				    "LunaSA Client = {\n"
				    "   SSLConfigFile = ./openssl.cnf;\n"
				    "   ClientPrivKeyFile = ./cert/client/hostKey.pem;\n"
				    "   ClientCertFile = /elsewhere/host.pem;\n"
				    "   ServerCAFile = ./certs/server/CAFile.pem;\n"
				    "}\n"
				    "Secure Trusted Channel = {\n"
				    "   ClientTokenLib = ./libs/64/libSoftToken.so;\n"
				    "   SoftTokenDir = ./token;\n"
				    "}\n"
				    "Misc = {\n"
				    "   ToolsDir = ./bin/64;\n"
				    "   Other = ./x/y;\n"
				    "}\n"),
			    "Chrystoki2 = {\n"
			    "   LibUNIX = " DIR "/lib/libCryptoki2.so;\n"
			    "   LibUNIX64 = " DIR "/lib/libCryptoki2_64.so;\n"
			    "}\n"
			    "LunaSA Client = {\n"
			    "   SSLConfigFile = " DIR "/openssl.cnf;\n"
			    "   ClientPrivKeyFile = " DIR "/cert/client/hostKey.pem;\n"
			    "   ClientCertFile = " DIR "/cert/client/host.pem;\n"
			    "   ServerCAFile = " DIR "/cert/server/CAFile.pem;\n"
			    "}\n"
			    "Secure Trusted Channel = {\n"
			    "   ClientTokenLib = " DIR "/lib/libSoftToken.so;\n"
			    "   SoftTokenDir = " DIR "/configData/token;\n"
			    "}\n"
			    "Misc = {\n"
			    "   ToolsDir = " DIR "/bin;\n"
			    "   Other = " DIR "/x/y;\n"
			    "}\n");
}

static void everything_else_stays_byte_for_byte(void **state)
{
	static const char honest[] = "# ours\n\n"
				     "Chrystoki2 = {\n"
				     "  LibUNIX=" DIR "/lib/libCryptoki2.so;\n"
				     "   LibUNIX64   =   " DIR "/lib/libCryptoki2_64.so;\n"
				     "}\n"
				     "Luna = {\n"
				     "  DefaultTimeOut = 500000;\n\n"
				     "  Url = https://example.org/a/b;   # a/b\n"
				     "  Word = bare;\n"
				     "  Up = ../a;\n"
				     "}\n";

	(void)state;
	unit_write(client, "bare", "a file of that name is no path", 0644);
	assert_string_equal(made_of(CLIENT_MINIMAL, "Chrystoki-template.conf", honest), honest);
}

static void a_bare_path_is_one_only_where_the_client_has_it(void **state)
{
	(void)state;
	unit_dir(client, "etc", 0755);
	unit_write(client, "etc/openssl.cnf", "", 0644);
	const char *conf = made_of(CLIENT_MINIMAL, "Chrystoki-template.conf",
				   "Misc = {\n   A = etc/openssl.cnf;\n   B = etc/none;\n}\n"
				   "LunaSA Client = {\n   SSLConfigFile = openssl.cnf;\n}\n");
	assert_non_null(strstr(conf, "   A = " DIR "/etc/openssl.cnf;\n"));
	assert_non_null(strstr(conf, "   B = etc/none;\n"));
	/* This one is looked for where the clients have it. */
	assert_non_null(strstr(conf, "SSLConfigFile = " DIR "/etc/openssl.cnf;\n"));
}

static void plugins_are_named_where_the_layout_puts_them(void **state)
{
	(void)state;
	assert_null(strstr(made_of(CLIENT_MINIMAL, "Chrystoki-template.conf", "Misc = {\n}\n"), "PluginModuleDir"));
	unit_dir(client, "libs", 0755);
	unit_dir(client, "libs/64", 0755);
	unit_dir(client, "libs/64/plugins", 0755);
	assert_non_null(strstr(made_of(CLIENT_MINIMAL, "Chrystoki-template.conf", "Misc = {\n}\n"),
			       "PluginModuleDir = " DIR "/plugins;\n"));
}

static void what_was_in_use_is_taken_before_a_template(void **state)
{
	(void)state;
	const char *conf = made_of(CLIENT_CLOUD, "Chrystoki.conf",
				   "XTC = {\n   PartitionCAPath = ./ca.pem;\n   PartitionCertPath00 = p/part.pem;\n}\n"
				   "REST = {\n   SSLClientSideVerifyFile = server-certificate.pem;\n"
				   "   PartitionData00 = 12345, host.example, 443;\n}\n");
	assert_non_null(strstr(conf, "PartitionCAPath = " DIR "/ca.pem;\n"));
	assert_non_null(strstr(conf, "PartitionCertPath00 = " DIR "/part.pem;\n"));
	assert_non_null(strstr(conf, "SSLClientSideVerifyFile = " DIR "/server-certificate.pem;\n"));
	assert_non_null(strstr(conf, "LunaG5Slots = 0;\n"));
	assert_null(strstr(conf, "PartitionData00"));
	assert_non_null(strstr(conf, "ServerName = host.example;\n"));
	assert_non_null(strstr(conf, "ServerPort = 443;\n"));
	struct client_content all = { .kind = CLIENT_CLOUD };
	all.unpacked = UNPACKED("Chrystoki-base.conf", "Chrystoki-template.conf", "Chrystoki.conf");
	/* As setenv does. */
	assert_string_equal(client_layout_conf_name(&all), "Chrystoki-base.conf");
	/* A minimal client that was packed where it was in use. */
	all.kind = CLIENT_MINIMAL;
	all.unpacked = UNPACKED("Chrystoki-template.conf", "Chrystoki.conf");
	assert_string_equal(client_layout_conf_name(&all), "Chrystoki.conf");
}

static void it_is_looked_for_below_the_top_and_not_where_none_is_brought(void **state)
{
	struct client_content topped = { .kind = CLIENT_MINIMAL, .top = MINIMAL };
	struct fault f = { 0 };
	TEXT_AUTO none = { 0 };

	(void)state;
	topped.unpacked =
		UNPACKED(MINIMAL "Chrystoki-base.conf", MINIMAL "etc/Chrystoki-template.conf", "Chrystoki.conf");
	assert_string_equal(client_layout_conf_name(&topped), "Chrystoki-base.conf");
	topped.unpacked = UNPACKED("Chrystoki.conf", MINIMAL "openssl.cnf");
	assert_null(client_layout_conf_name(&topped));
	MUST(client_layout_conf_make(client, &topped, DIR, &none, &f));
	assert_int_equal(none.length, 0);
}

static void a_template_that_leads_elsewhere_is_not_read(void **state)
{
	TEXT_AUTO conf = { 0 };
	struct fault f;

	(void)state;
	unit_write(client, "other", "Misc = {\n}\n", 0644);
	assert_int_equal(symlinkat("other", client, "Chrystoki-template.conf"), 0);
	MUST_FAIL(make(CLIENT_MINIMAL, "Chrystoki-template.conf", &conf, &f), FAULT_REFUSED, "");
}

static void a_template_with_a_nul_byte_is_refused(void **state)
{
	static const char conf[] = "Chrystoki2 = {\n   LibUNIX64\0X = ./a/b.so;\n}\n";
	FS_AUTO int fd = openat(client, "Chrystoki-template.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	TEXT_AUTO made = { 0 };
	struct fault f;

	(void)state;
	assert_int_equal(write(fd, conf, sizeof(conf) - 1), sizeof(conf) - 1);
	MUST_FAIL(make(CLIENT_MINIMAL, "Chrystoki-template.conf", &made, &f), FAULT_REFUSED,
		  "member 'Chrystoki-template.conf': a NUL byte");
}

#define MADE make(CLIENT_MINIMAL, "Chrystoki-template.conf", &ignored, &f)

static void what_cannot_be_looked_at_is_not_taken_for_absent(void **state)
{
	static const char conf[] = "Misc = {\n   A = " DIR "/there;\n   B = some/where;\n}\n"
				   "LunaSA Client = {\n   SSLConfigFile = x;\n}\n";
	TEXT_AUTO ignored = { 0 };
	struct fault f;

	(void)state;
	unit_dir(client, "some", 0755);
	unit_dir(client, "libs", 0755);
	unit_dir(client, "libs/64", 0755);
	unit_write(client, "Chrystoki-template.conf", conf, 0644);
	MUST_NOT_GUESS("Chrystoki-template.conf", MADE);
	MUST_NOT_GUESS("openssl.cnf", MADE);
	MUST_NOT_GUESS("plugins", MADE);
	MUST_NOT_GUESS("where", MADE);
}

#define TEMPLATE(test) cmocka_unit_test_setup_teardown(test, client_make, client_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEMPLATE(every_path_becomes_absolute_and_leads_to_the_places_of_the_layout),
		TEMPLATE(everything_else_stays_byte_for_byte),
		TEMPLATE(a_bare_path_is_one_only_where_the_client_has_it),
		TEMPLATE(plugins_are_named_where_the_layout_puts_them),
		TEMPLATE(what_was_in_use_is_taken_before_a_template),
		TEMPLATE(it_is_looked_for_below_the_top_and_not_where_none_is_brought),
		TEMPLATE(a_template_that_leads_elsewhere_is_not_read),
		TEMPLATE(a_template_with_a_nul_byte_is_refused),
		TEMPLATE(what_cannot_be_looked_at_is_not_taken_for_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
