/*
 * conf/chrystoki: Chrystoki.conf, the Luna client's configuration, kept byte for byte.
 *
 * Promise: chrystoki_print gives back exactly the bytes that chrystoki_parse was given, except for the lines that were
 * edited since.  It opens nothing and never fails on content: what is unusual about a line is written down in the line.
 * An edit touches the lines it is about and no other.  Edits never write a TAB, a comment behind a value, or a value
 * without ';' (the vendor's cautions, and what its own files look like).
 *
 * Grammar: "Section = {", lines "Key = Value;", "}"; '#' as the first character but blanks begins a comment; blanks
 * around names and values do not matter; names may hold blanks.  A value ends at the first ';', or where that is
 * missing at the end of the line (the vendor's setenv script leaves it out).  What the library does with repeated
 * sections or keys, with quotes, braces on a line of their own and other letters than ASCII is not known: reported,
 * never merged, never written.
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
	CHRYSTOKI_UNKNOWN, /* none of these */
};

enum chrystoki_flaw {
	CHRYSTOKI_FLAW_TAB = 1 << 0,
	CHRYSTOKI_FLAW_CARRIAGE_RETURN = 1 << 1,
	CHRYSTOKI_FLAW_BOM = 1 << 2,
	CHRYSTOKI_FLAW_NOT_ASCII = 1 << 3,
	CHRYSTOKI_FLAW_CONTROL = 1 << 4,
	CHRYSTOKI_FLAW_NO_SEMICOLON = 1 << 5,
	CHRYSTOKI_FLAW_TRAILING = 1 << 6,    /* something behind ';' or '}' */
	CHRYSTOKI_FLAW_NAME = 1 << 7,        /* a section or key name with other characters than names have */
	CHRYSTOKI_FLAW_OUTSIDE = 1 << 8,     /* an entry outside every section */
	CHRYSTOKI_FLAW_STRAY_CLOSE = 1 << 9, /* a '}' that closes nothing */
	CHRYSTOKI_FLAW_NOT_CLOSED =
		1 << 10,                /* this section is not closed before the next one begins, or the file ends */
	CHRYSTOKI_FLAW_BRACE = 1 << 11, /* a brace on a line of its own or amid other things */
	CHRYSTOKI_FLAW_UNREADABLE = 1 << 12,
	CHRYSTOKI_FLAW_QUOTES = 1 << 13, /* a value in quotes */
	CHRYSTOKI_FLAW_SPACE = 1 << 14,  /* a no-break space or its like, from a document: read as a blank here */
	CHRYSTOKI_FLAW_HEADER = 1 << 15, /* "[Name]", "Name]", "[Name] = {", "Name {": read as a section here */
	CHRYSTOKI_FLAW_CASE =
		1 << 16, /* a name that the client knows, in different letter case: read as that name here */
	CHRYSTOKI_FLAW_LAST = CHRYSTOKI_FLAW_CASE,
};

enum { CHRYSTOKI_NO_LINE = -1 };

struct chrystoki_line {
	const char *bytes; /* in the file, with its line feed if it has one */
	size_t length;
	enum chrystoki_kind kind;
	unsigned flaws;
	bool bare;         /* of OPEN: no '{' stands behind the name */
	ptrdiff_t section; /* index of the CHRYSTOKI_OPEN line this line belongs to, or CHRYSTOKI_NO_LINE */
	size_t name_start, name_length;   /* of OPEN and ENTRY */
	size_t value_start, value_length; /* of ENTRY */
	/* The same as strings, up to the first NUL; `within`: the name of an entry's section, NULL outside of any. */
	const char *name, *value, *within;
};

struct chrystoki {
	struct text file, words;      /* the bytes; again, with a NUL behind each name and value */
	struct chrystoki_line *lines; /* owned; hold, with their names and values, until the next edit */
	size_t count;
};

#define CHRYSTOKI_AUTO __attribute__((cleanup(chrystoki_done))) struct chrystoki

/* Wipes what it frees: the file holds the secret of the cloud service. */
void chrystoki_done(struct chrystoki *c);
/* Fails for lack of memory only. */
int chrystoki_parse(struct chrystoki *ret_chrystoki, const char *bytes, size_t length, struct fault *f);
void chrystoki_print(const struct chrystoki *c, struct text *out);

/* Letters, digits, '_', '-', '.' and blanks: what names are made of. */
bool chrystoki_name_is_plain(const char *name, size_t length);
/* The name of a section or key as the client spells it, a number behind it left out; NULL where it is none we know. */
const char *chrystoki_spelling(const struct chrystoki_line *line);
/* Whether that is the section's or key's name, other letter case of one we know allowed. */
bool chrystoki_is_named(const struct chrystoki_line *line, const char *name);
/*
 * What the whole file is where it is not a Chrystoki.conf, as a sentence: the Windows client's crystoki.ini, UTF-16, or
 * text without any section or brace.  NULL for a Chrystoki.conf, whatever its flaws, and for one that is empty.  No
 * edit and no fix changes what is not one.
 */
const char *chrystoki_form_fault(const struct chrystoki *c);

/* The entries inside sections, one at each call: start from *at = 0; it counts lines from 1 then.  NULL at the end. */
const struct chrystoki_line *chrystoki_entry_next(const struct chrystoki *c, size_t *at);
/* Is the entry in a section of that name? */
bool chrystoki_is_in(const struct chrystoki *c, const struct chrystoki_line *entry, const char *section);
/* Sections of that very name; *ret_first is the index of the first one's line, CHRYSTOKI_NO_LINE without any. */
size_t chrystoki_sections(const struct chrystoki *c, const char *section, ptrdiff_t *ret_first);
/* Entries of that key in all sections of that name; *ret_first as above. */
size_t chrystoki_entries(const struct chrystoki *c, const char *section, const char *key, ptrdiff_t *ret_first);
/* The first entry's value, until the next edit, and its line, from 1; NULL and 0 where there is none. */
const char *chrystoki_value(const struct chrystoki *c, const char *section, const char *key, size_t *ret_line);
/* The same, copied for the caller to free. */
int chrystoki_get(const struct chrystoki *c, const char *section, const char *key, char **ret_value, struct fault *f);
/* Whether the value of this entry must not be shown: "AuthTokenClientSecret". */
bool chrystoki_is_secret(const char *key);
/* The lowest flaw of the set, as one clause for people. */
const char *chrystoki_flaw_text(unsigned flaws);

/*
 * Edits.  FAULT_REFUSED: a section or key that stands more than once (it is not known which one the library reads), a
 * name or value that the grammar cannot hold, a section that would have to be begun while another is not closed.
 */
/* Changes the value in place, adds the entry at the end of its section, or the section at the end of the file. */
int chrystoki_set(struct chrystoki *c, const char *section, const char *key, const char *value, struct fault *f);
/* Removes the entry's line; removes every line of a repeated key, which is how that is fixed. */
int chrystoki_unset(struct chrystoki *c, const char *section, const char *key, struct fault *f);
/* Removes the section with all that is in it, comments too. */
int chrystoki_remove(struct chrystoki *c, const char *section, struct fault *f);
/*
 * Brings a section over from another file: as a whole where this one has none, entry by entry otherwise; entries that
 * only this one has stay.  FAULT_ABSENT: `from` has no such section.
 */
int chrystoki_merge(struct chrystoki *c, const struct chrystoki *from, const char *section, struct fault *f);
/*
 * REST.PartitionData00, "serial, host, port" of the cloud service's newer files, becomes ServerName and ServerPort, as
 * the vendor's setenv has it; nothing to do where there is none, or a ServerName already.
 */
int chrystoki_split_partition(struct chrystoki *c, struct fault *f);
/*
 * Fixes what can be fixed without a guess: TABs and no-break spaces to blanks, CR LF to LF, a byte order mark dropped,
 * ';' added behind a value, section headers and known names spelt as the client spells them, '#' put before the rest of
 * a wrapped comment, '}' added behind the last section and behind one that "[Name]" began.  crystoki.ini stays.
 */
int chrystoki_fix(struct chrystoki *c, struct fault *f);
/* Whether that takes the flaw off the line. */
bool chrystoki_is_fixable(const struct chrystoki *c, size_t line, unsigned flaw);

#endif
