/* curl-dl: libcurl, opened on first use.
 *
 * Linking it would load some thirty libraries at every start of dhow; `run`, `ps` and `exec` need
 * none of them. The build needs its headers only. */
#pragma once
#include "base/err.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
/* with type checks off these are still macros for old compilers */
#undef curl_easy_setopt
#undef curl_easy_getinfo

struct curl_api {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *handle, CURLoption option, ...);
	CURLcode (*easy_getinfo)(CURL *handle, CURLINFO info, ...);
	CURLcode (*easy_perform)(CURL *handle);
	void (*easy_reset)(CURL *handle);
	void (*easy_cleanup)(CURL *handle);
	const char *(*easy_strerror)(CURLcode code);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
	CURLU *(*url)(void);
	void (*url_cleanup)(CURLU *url);
	CURLUcode (*url_set)(CURLU *url, CURLUPart part, const char *text, unsigned flags);
	CURLUcode (*url_get)(const CURLU *url, CURLUPart part, char **text, unsigned flags);
	void (*free)(void *p);
};

/* Loads it once per process (not thread-safe the first time: call it before threads start).
 * E_UNSUPPORTED names the package to install. */
const struct curl_api *curl_api(struct err *err);
