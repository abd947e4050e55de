/*
 * random: files as people and programs leave them, made from a seed: right, half right and broken.
 *
 * The same seed gives the same file on every machine, so a failure can be looked at again.
 */
#ifndef OKV_UNIT_RANDOM_H
#define OKV_UNIT_RANDOM_H

#include <stdint.h>
#include <string.h>

#include "base/text.h"

struct random {
	uint64_t state;
};

/* xorshift64*, by Vigna's published constants. */
static inline uint32_t random_next(struct random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return (uint32_t)((r->state * UINT64_C(2685821657736338717)) >> 32);
}

static inline struct random random_from(uint64_t seed)
{
	struct random r = { .state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };

	(void)random_next(&r);
	return r;
}

static inline size_t random_below(struct random *r, size_t limit)
{
	return random_next(r) % limit;
}

static inline bool random_one_in(struct random *r, size_t n)
{
	return random_below(r, n) == 0;
}

#define RANDOM_PICK(r, table) ((table)[random_below((r), sizeof(table) / sizeof((table)[0]))])

static inline void random_bytes(struct random *r, struct text *out, size_t most)
{
	for (size_t n = random_below(r, most + 1); n > 0; n--)
		text_add_char(out, (char)random_below(r, 256));
}

/* Flips, drops or doubles a few bytes. */
static inline void random_damage(struct random *r, struct text *t)
{
	for (size_t n = random_below(r, 4); n > 0 && t->length > 0; n--) {
		const size_t at = random_below(r, t->length);
		static const char odd[] = "\"'\\\r\n\t\0#={};()`$ \xe2\x80\x9d";

		switch (random_below(r, 3)) {
		case 0:
			t->bytes[at] = odd[random_below(r, sizeof(odd))];
			break;
		case 1:
			memmove(t->bytes + at, t->bytes + at + 1, t->length - at);
			t->length--;
			break;
		default:
			text_add_char(t, t->bytes[at]);
			break;
		}
	}
}

/* Takes the last line feed away, now and then, and gives CR LF to a few files. */
static inline void random_ending(struct random *r, struct text *t)
{
	if (t->length > 0 && random_one_in(r, 6))
		t->bytes[--t->length] = '\0';
	if (random_one_in(r, 25)) {
		TEXT_AUTO copy = { 0 };
		text_add(&copy, t->bytes, t->length);
		text_cut(t, 0);
		for (size_t i = 0; i < copy.length; i++) {
			if (copy.bytes[i] == '\n')
				text_add_char(t, '\r');
			text_add_char(t, copy.bytes[i]);
		}
	}
}

static inline void random_assign(struct random *r, struct text *out)
{
	static const char *const lines[] = {
		"# a comment\n",
		"\n",
		"   \n",
		"VENDOR_NAME=\"\"\n",
		"VENDOR_NAME=\"Thales_Luna\"\n",
		"PKCS11_LIB_LOC=\"/usr/safenet/lunaclient/lib/libCryptoki2_64.so\"\n",
		"PKCS11_LIB_LOC=\"\"\n",
		"PRESERVED_FILES=\"\"\n",
		"PRESERVED_FILES=\"/usr/safenet/lunaclient:/etc/Chrystoki.conf:/usr/safenet/lunaclient/lib/x.so\"\n",
		"PRESERVED_FILES=\"/home/oracle/keep:/opt/other/\"\n",
		"ChrystokiConfigurationPath=\"/etc\"\n",
		"ChrystokiConfigurationPath=\"/somewhere/else\"\n",
		"#EXAMPLE_ENV_VAR_NAME=\"EXAMPLE_ENV_VAR_VALUE\"\n",
		"OTHER=\"x y z\"\n",
		"LD_LIBRARY_PATH=\"/usr/safenet/lunaclient/lib\"\n",
	};
	static const char *const broken[] = {
		"VENDOR_NAME=Thales\n",
		"  PKCS11_LIB_LOC=\"/x\"\n",
		"export OTHER=\"1\"\n",
		"PRESERVED_FILES=\"/usr/safenet/lunaclient:/usr/safe\n",
		"net/lib\"\n",
		"A=\"\xe2\x80\x9cx\xe2\x80\x9d\"\n",
		"no equals here\n",
		"B=\"1\" # why\n",
		"\xef\xbb\xbf# with a mark\n",
	};

	for (size_t n = random_below(r, 12); n > 0; n--) {
		if (random_one_in(r, 12))
			text_add_string(out, RANDOM_PICK(r, broken));
		else
			text_add_string(out, RANDOM_PICK(r, lines));
	}
	random_ending(r, out);
}

static inline void random_script(struct random *r, struct text *out)
{
	static const char *const heads[] = { "#!/bin/bash\n", "#!/bin/sh\n", "",
					     "#!/bin/bash\n. /usr/local/okv/lib.sh\n" };
	static const char *const banners[] = {
		"# DO NOT CHANGE ANYTHING ABOVE THIS LINE\n",
		"####\n#  Please do not edit above  #\n####\n",
		"# Never touch what stands above.\n",
		"",
	};
	static const char *const body[] = {
		"logger -t \"${LOGTAG}\" -p \"${LOGDEBUG}\" \"nothing to do\"\n",
		"sudo groupadd hsmusers\n",
		"/usr/sbin/groupadd -r 'hsmusers' || true\n",
		"if [ -e /etc/x ]; then\n\texit 3\nfi\n",
		"cat <<EOF >/dev/null\nexit 1\nEOF\n",
		"x=\"two\nlines\"\n",
		"# a comment about ' and \"\n",
		"\n",
		"for i in 1 2; do\n  echo $i >/dev/null\ndone\n",
		"case \"$x\" in\na) : ;;\n*) : ;;\nesac\n",
		"f() {\n\texit 4\n}\n",
	};
	static const char *const ends[] = {
		"exit ${DBFW_PM_NO_CHANGE_REQUIRED}\n",
		"exit ${DBFW_PM_CHANGED}\n",
		"exit \"${DBFW_PM_NO_CHANGE_REQUIRED}\"\n",
		"",
	};

	text_add_string(out, RANDOM_PICK(r, heads));
	text_add_string(out, RANDOM_PICK(r, banners));
	for (size_t n = random_below(r, 6); n > 0; n--)
		text_add_string(out, RANDOM_PICK(r, body));
	text_add_string(out, RANDOM_PICK(r, ends));
	if (random_one_in(r, 5))
		text_add_string(out, RANDOM_PICK(r, body));
	random_ending(r, out);
}

static inline void random_chrystoki(struct random *r, struct text *out)
{
	static const char *const opens[] = { "Chrystoki2 = {\n",  "LunaSA Client = {\n", "Misc = {\n",
					     "REST={\n",          "  XTC  =  {\n",       "HAConfiguration = {\n",
					     "VirtualToken = {\n" };
	static const char *const entries[] = {
		"   LibUNIX64 = /usr/safenet/lunaclient/lib/libCryptoki2_64.so;\n",
		"   ServerName00 = 10.1.2.3;\n",
		"   ServerPort00 = 1792;\n",
		"   ServerHtl00 = ;\n",
		"\tToolsDir = /usr/safenet/lunaclient/bin/;\n",
		"   ServerName = host.example\n",
		"Key=Value;\n",
		"      Aligned        =    a, b, c;\n",
		"   # a comment\n",
		"\n",
		"   Quoted = \"x\";\n",
		"   VirtualToken00Members = 123,456;\n",
		"   After = x; # why\n",
	};
	static const char *const odd[] = { "{\n",   "}\n", "Section =\n{\n", "nonsense\n", "One = { Two = 3; }\n",
					   "= ;\n", ";\n" };

	for (size_t n = random_below(r, 5); n > 0; n--) {
		text_add_string(out, RANDOM_PICK(r, opens));
		for (size_t m = random_below(r, 6); m > 0; m--)
			text_add_string(out, random_one_in(r, 15) ? RANDOM_PICK(r, odd) : RANDOM_PICK(r, entries));
		if (!random_one_in(r, 12))
			text_add_string(out, random_one_in(r, 3) ? "}\n\n" : "}\n");
	}
	random_ending(r, out);
}

#endif
