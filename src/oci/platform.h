/* platform: operating system and CPU an image is for, as os/architecture[/variant], in Go's names.
 * Normalised on parsing: x86_64, x86-64 -> amd64; aarch64 -> arm64 (v8 dropped); i386, i686 -> 386;
 * armhf -> arm/v7, armel -> arm/v6; arm without variant -> v7; amd64/v1 -> amd64. */
#pragma once
#include "base/err.h"
#include <stdbool.h>

struct platform {
	char os[32];
	char architecture[32];
	char variant[16];    /* "" when there is none */
	char os_version[64]; /* from an index entry; not matched on Linux */
};

struct platform_text {
	char s[96];
};

/* "linux/arm/v6", or an architecture alone ("arm64": linux), or "linux" alone (this CPU). */
int platform_parse(const char *s, struct platform *ret, struct err *err);
/* From the fields of a JSON document; normalises. Fields may be NULL. E_LIMIT when too long. */
int platform_set(struct platform *ret, const char *os, const char *architecture,
                 const char *variant, const char *os_version, struct err *err);
/* This machine, with its amd64 level (v1 is written as no variant) or arm version. */
struct platform platform_host(void);
struct platform_text platform_format(const struct platform *p);

/* How well `have` serves who wants `want`: -1 not at all, else 0 for an exact match and more the
 * further it is (arm v6 serves v7, amd64 v1..v2 serve v3; 32-bit code serves no 64-bit wish). */
int platform_rank(const struct platform *want, const struct platform *have);
