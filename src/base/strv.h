/* strv: a growing, NULL-terminated vector of owned strings (argv, environment, option lists).
 * Invariant: items is NULL or items[len] == NULL, so `items` can be handed to execve. */
#pragma once
#include "base/macro.h"
#include <stdbool.h>

struct strv {
	char **items;
	size_t len;
};

#define STRV_INIT ((struct strv){ 0 })
#define AUTO_STRV __attribute__((cleanup(strv_done))) struct strv

void strv_done(struct strv *v);
void strv_add(struct strv *v, const char *s); /* copies */
void strv_add_owned(struct strv *v, char *s); /* takes s */
void strv_addf(struct strv *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strv_add_all(struct strv *v, char *const *items); /* copies a NULL-terminated vector */
bool strv_has(const struct strv *v, const char *s);
/* Set NAME=VALUE, replacing an entry of the same NAME: for environments. */
void strv_set_env(struct strv *v, const char *name, const char *value);
/* The value of NAME in an environment vector, or NULL. Borrowed. */
const char *strv_get_env(const struct strv *v, const char *name);
/* Split s at every `sep`; empty fields are kept. */
void strv_split(struct strv *v, const char *s, char sep);
