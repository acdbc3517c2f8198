/* toml: strict reading of TOML 1.0 into the values of json.h, so that the same cursors, getters and
 * errors ("registries.conf: registry[0].mirror") serve for it.
 *
 * Refused although TOML takes it: a NUL in a string, inf and nan, tables deeper than
 * TOML_MAX_DEPTH. Dates and times become strings, as written. Everything that TOML forbids is
 * refused: a table or key defined twice, a table added to where it was closed, mixed line ends. */
#pragma once
#include "base/err.h"
#include "codec/json.h"

#define TOML_MAX_BYTES (1u << 20)
#define TOML_MAX_DEPTH 32

/* what: names the document in errors ("registries.conf"). *ret is an object; the caller puts it. */
int toml_parse(const char *what, const char *text, size_t len, struct json_object **ret,
               struct err *err);
/* A basic string, quotes included, for who writes TOML. */
struct strbuf;
void toml_add_string(struct strbuf *sb, const char *s);
