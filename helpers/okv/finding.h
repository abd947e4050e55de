/*
 * okv/finding: what is wrong, what comes of it, and what fixes it.
 *
 * Promise: every finding says where it is, what is wrong, what OKV or the library will do with it, and the command that
 * fixes it, for people and for programs; outside text in it is printable.
 */
#ifndef OKV_OKV_FINDING_H
#define OKV_OKV_FINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/text.h"

enum okv_severity {
	OKV_NOTE, /* what applies here and why; nothing to fix */
	OKV_WARN, /* works today, may not tomorrow */
	OKV_FAIL, /* OKV or the library will not do what is wanted */
};

struct okv_finding {
	enum okv_severity severity;
	const char *rule; /* a stable word for scripts: "preserved-wildcard" */
	char *file;       /* full path below the root */
	size_t line;      /* 1-based; 0: the file as a whole */
	char *what;
	char *effect;
	char *remedy; /* a command that can be typed as it stands, or a sentence where a person has to do it */
	bool safe;    /* `config check --fix` fixes it */
	bool moot;    /* it only keeps the library from its HSM: where that answers, it does no harm */
};

/* Start from { 0 }. */
struct okv_findings {
	struct okv_finding *items; /* owned */
	size_t count;
	const char *file; /* borrowed: what the next findings are about */
	bool failed;      /* for lack of memory, one is missing */
};

#define OKV_FINDINGS_AUTO __attribute__((cleanup(okv_findings_done))) struct okv_findings

void okv_findings_done(struct okv_findings *findings);
size_t okv_findings_count(const struct okv_findings *findings, enum okv_severity severity);

/* What a finding says beside its place and its facts; `word` must be a literal. */
struct okv_rule {
	enum okv_severity severity;
	const char *word, *effect, *remedy;
};
#define OKV_RULE(...) \
	&(const struct okv_rule) \
	{ \
		__VA_ARGS__ \
	}

/* A command begins with "okv-luna "; no sentence does. */
bool okv_remedy_is_command(const char *remedy);

/* Commands that fix; what bears the first is `safe`. */
#define OKV_FIX_IT  "okv-luna config check --fix"
#define OKV_WIRE_IT "okv-luna config wire"
/* Where another vendor's library is in use, which wiring does not take away. */
#define OKV_REPLACE_IT \
	"OKV uses another vendor's library; okv-luna config wire --replace-vendor puts Luna's in its place"

/* Adds a finding about found->file. */
void okv_finding_add(struct okv_findings *found, const struct okv_rule *rule, size_t line, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* The finding added last is moot. */
void okv_finding_set_moot(struct okv_findings *found);

/* The lines that one finding is about, where its cause stands on several. */
struct okv_lines {
	size_t count;
	struct text more; /* "; also on lines 3, 5", to be put behind what is wrong; empty for a single line */
};
#define OKV_LINES_AUTO __attribute__((cleanup(okv_lines_done))) struct okv_lines
void okv_lines_add(struct okv_lines *lines, size_t line);
void okv_lines_done(struct okv_lines *lines);

/* Takes away what that remedy would fix. */
void okv_findings_drop(struct okv_findings *findings, const char *remedy);
/* Gives what the one remedy would fix the other. */
int okv_findings_change(struct okv_findings *findings, const char *from, const char *to, struct fault *f);

enum okv_colour { OKV_PLAIN, OKV_COLOURED };

/* Three lines each: where and what, what comes of it, how to fix it; then how many there are. */
void okv_findings_format(const struct okv_findings *findings, enum okv_colour colour, struct text *out);
/* Members "fail", "warn" and "findings" of the object that is open. */
void okv_findings_json(const struct okv_findings *findings, struct json *j);

#endif
