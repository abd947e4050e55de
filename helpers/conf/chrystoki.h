/*
 * conf/chrystoki: Chrystoki.conf, the Luna client's configuration, kept byte for byte.
 *
 * Promise: chrystoki_print returns exactly the bytes that chrystoki_parse was given, except for edited lines.  It opens
 * nothing and never fails because of content: each line records what is unusual about it.  An edit changes only the
 * lines it is about.  Edits never write a TAB, a comment after a value, or a value without ';' (the vendor's cautions,
 * and the style of its own files).
 *
 * Grammar: "Section = {", lines "Key = Value;", "}"; '#' as the first non-blank character begins a comment; blanks
 * around names and values are ignored; names can contain blanks.  A value ends at the first ';' or, if there is none,
 * at the end of the line (the vendor's setenv script omits it).  How the library treats repeated sections or keys,
 * quotes, braces on lines of their own and non-ASCII letters is not known: they are reported, never merged and never
 * written.
 */
#ifndef OKV_CONF_CHRYSTOKI_H
#define OKV_CONF_CHRYSTOKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

enum chrystoki_kind {
	CHRYSTOKI_BLANK,
	CHRYSTOKI_COMMENT,
	CHRYSTOKI_OPEN,    /* Section = { */
	CHRYSTOKI_ENTRY,   /* Key = Value; */
	CHRYSTOKI_CLOSE,   /* } */
	CHRYSTOKI_UNKNOWN, /* anything else */
};

enum chrystoki_flaw {
	CHRYSTOKI_FLAW_TAB = 1 << 0,
	CHRYSTOKI_FLAW_CARRIAGE_RETURN = 1 << 1,
	CHRYSTOKI_FLAW_BOM = 1 << 2,
	CHRYSTOKI_FLAW_NOT_ASCII = 1 << 3,
	CHRYSTOKI_FLAW_CONTROL = 1 << 4,
	CHRYSTOKI_FLAW_NO_SEMICOLON = 1 << 5,
	CHRYSTOKI_FLAW_TRAILING = 1 << 6,    /* something after ';' or '}' */
	CHRYSTOKI_FLAW_NAME = 1 << 7,        /* unusual characters in a section or key name */
	CHRYSTOKI_FLAW_OUTSIDE = 1 << 8,     /* an entry outside every section */
	CHRYSTOKI_FLAW_STRAY_CLOSE = 1 << 9, /* a '}' without an open section */
	CHRYSTOKI_FLAW_NOT_CLOSED = 1 << 10, /* the section is not closed before the next one or the end of the file */
	CHRYSTOKI_FLAW_BRACE = 1 << 11,      /* a brace on a line of its own or among other text */
	CHRYSTOKI_FLAW_UNREADABLE = 1 << 12,
	CHRYSTOKI_FLAW_QUOTES = 1 << 13, /* a value in quotes */
	CHRYSTOKI_FLAW_SPACE = 1 << 14,  /* a no-break space or similar, from a document: treated as a blank */
	CHRYSTOKI_FLAW_HEADER = 1 << 15, /* "[Name]", "Name]", "[Name] = {", "Name {": treated as a section */
	CHRYSTOKI_FLAW_CASE = 1 << 16,   /* a known name in different letter case: treated as that name */
	CHRYSTOKI_FLAW_LAST = CHRYSTOKI_FLAW_CASE,
};

enum { CHRYSTOKI_NO_LINE = -1 };

struct chrystoki_line {
	const char *bytes; /* including the line feed, if there is one */
	size_t length;
	enum chrystoki_kind kind;
	unsigned flaws;
	bool bare;                        /* OPEN without a '{' */
	ptrdiff_t section;                /* index of the CHRYSTOKI_OPEN line of its section, or CHRYSTOKI_NO_LINE */
	size_t name_start, name_length;   /* of OPEN and ENTRY */
	size_t value_start, value_length; /* of ENTRY */
	/* The same as strings, up to the first NUL; `within`: the section's name of an entry, or NULL. */
	const char *name, *value, *within;
};

struct chrystoki {
	struct text file, words;      /* the bytes; a copy with a NUL after each name and value */
	struct chrystoki_line *lines; /* owned; lines, names and values are valid until the next edit */
	size_t count;
};

#define CHRYSTOKI_AUTO __attribute__((cleanup(chrystoki_done))) struct chrystoki

/* Wipes the memory: the file can contain the cloud service's client secret. */
void chrystoki_done(struct chrystoki *c);
/* Fails only if memory runs out. */
int chrystoki_parse(struct chrystoki *ret_chrystoki, const char *bytes, size_t length, struct fault *f);
void chrystoki_print(const struct chrystoki *c, struct text *out);

/* Is it made only of letters, digits, '_', '-', '.' and blanks, and not empty? */
bool chrystoki_name_is_plain(const char *name, size_t length);
/* Finds a full path in plain or typographic quotes: its start and end in the line; false for any other value. */
bool chrystoki_unquote(const struct chrystoki_line *line, size_t *ret_start, size_t *ret_end);
/* The vendor's spelling of a section's or key's name, without the number after it; NULL for an unknown name. */
const char *chrystoki_spelling(const struct chrystoki_line *line);
/* Does the section or key have that name?  Letter case does not matter for known names. */
bool chrystoki_is_named(const struct chrystoki_line *line, const char *name);
/*
 * If the file is not a Chrystoki.conf at all, a sentence that says what it is: the Windows client's crystoki.ini,
 * UTF-16, or text without any section or brace.  NULL for a Chrystoki.conf, whatever its flaws, and for an empty file.
 * Edits and fixes change no other files.
 */
const char *chrystoki_form_fault(const struct chrystoki *c);

/* Iterates over the entries in sections: start with *at = 0; it becomes the line number, from 1.  NULL at the end. */
const struct chrystoki_line *chrystoki_entry_next(const struct chrystoki *c, size_t *at);
/* Is the entry in a section of that name? */
bool chrystoki_is_in(const struct chrystoki *c, const struct chrystoki_line *entry, const char *section);
/* The number of sections of that name; *ret_first is the index of the first one's line, or CHRYSTOKI_NO_LINE. */
size_t chrystoki_sections(const struct chrystoki *c, const char *section, ptrdiff_t *ret_first);
/* The number of entries of that key in all sections of that name; *ret_first as above. */
size_t chrystoki_entries(const struct chrystoki *c, const char *section, const char *key, ptrdiff_t *ret_first);
/* The first entry's value, valid until the next edit, and its line, from 1; NULL and 0 if there is none. */
const char *chrystoki_value(const struct chrystoki *c, const char *section, const char *key, size_t *ret_line);
/* The same as a copy, which the caller frees. */
int chrystoki_get(const struct chrystoki *c, const char *section, const char *key, char **ret_value, struct fault *f);
/* Must the value of this key not be shown?  "AuthTokenClientSecret". */
bool chrystoki_is_secret(const char *key);
/* The lowest flaw of the set, as a clause. */
const char *chrystoki_flaw_text(unsigned flaws);

/*
 * Edits.  FAULT_REFUSED: the section or key exists more than once (it is not known which one the library reads), the
 * grammar cannot express the name or value, or a new section is needed while another one is not closed.
 */
/* Changes the value, or adds the entry at the end of its section, or the section at the end of the file. */
int chrystoki_set(struct chrystoki *c, const char *section, const char *key, const char *value, struct fault *f);
/* Removes the entry; all lines of a repeated key, which is how to fix that. */
int chrystoki_unset(struct chrystoki *c, const char *section, const char *key, struct fault *f);
/* Removes the section with everything in it, comments included. */
int chrystoki_remove(struct chrystoki *c, const char *section, struct fault *f);
/*
 * Copies a section from another file: as a whole if this one lacks it, else entry by entry; other entries stay.
 * FAULT_ABSENT: `from` has no such section.
 */
int chrystoki_merge(struct chrystoki *c, const struct chrystoki *from, const char *section, struct fault *f);
/*
 * Replaces REST.PartitionData00, "serial, host, port" in the cloud service's newer files, by ServerName and ServerPort,
 * as the vendor's setenv does.  Does nothing without it, or if there is a ServerName.
 */
int chrystoki_split_partition(struct chrystoki *c, struct fault *f);
/*
 * Fixes what needs no guess: TABs and no-break spaces become blanks, CR LF becomes LF, a byte order mark and the quotes
 * around a full path are dropped, ';' is added after a value, section headers and known names get the client's
 * spelling, the rest of a wrapped comment gets a '#', and '}' is added after the last section and after one that
 * "[Name]" began.  crystoki.ini is left alone.
 */
int chrystoki_fix(struct chrystoki *c, struct fault *f);
/* Does chrystoki_fix remove this flaw of the line? */
bool chrystoki_is_fixable(const struct chrystoki *c, size_t line, unsigned flaw);

#endif
