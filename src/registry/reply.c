/* Answers as values: handlers fill them in, server.c hands them to the HTTP library. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/json.h"
#include "registry/proxy.h"
#include "registry/server-internal.h"

void reply_done(struct reply *r)
{
	strv_done(&r->headers);
	free(r->text);
	auto_close_(&r->fd);
	if (r->stream)
		proxy_stream_free(r->stream);
	*r = REPLY_INIT;
}

void reply_header(struct reply *r, const char *name, const char *value)
{
	strv_add(&r->headers, name);
	strv_add(&r->headers, value);
}

void reply_headerf(struct reply *r, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_add(&r->headers, name);
	strv_add_owned(&r->headers, xvasprintf(fmt, ap));
	va_end(ap);
}

void reply_digest(struct reply *r, const struct digest *d)
{
	reply_header(r, "Docker-Content-Digest", digest_format(d).s);
	reply_headerf(r, "ETag", "\"%s\"", digest_format(d).s);
}

void reply_empty(struct reply *r, unsigned status)
{
	r->status = status;
	r->kind = REPLY_EMPTY;
}

void reply_text(struct reply *r, unsigned status, const char *media_type, char *text, size_t len)
{
	r->status = status;
	r->kind = REPLY_TEXT;
	r->text = text;
	r->text_len = len;
	reply_header(r, "Content-Type", media_type);
}

void reply_error(struct reply *r, unsigned status, const char *code, const char *fmt, ...)
{
	AUTO_JSON *root = json_object_new_object();
	struct json_object *one = json_object_new_object();
	AUTO_FREE char *message = NULL;
	va_list ap;
	char *text;

	reply_done(r);
	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	json_add_str(one, "code", code);
	json_add_str(one, "message", message);
	json_object_array_add(json_add_array(root, "errors"), one);
	text = xstrdup(json_text(root, false));
	reply_text(r, status, MEDIA_JSON, text, strlen(text));
}

void reply_failure(struct reply *r, const struct err *err, const char *not_found_code)
{
	if (err->code == E_NOT_FOUND && not_found_code)
		reply_error(r, 404, not_found_code, "%s", err->msg);
	else if (err->code == E_NO_SPACE)
		reply_error(r, 507, "BLOB_UPLOAD_INVALID", "the registry's disk is full");
	else if (err->code == E_BUSY || err->code == E_TIMEOUT)
		reply_error(r, 503, "TOOMANYREQUESTS", "the registry is busy: try again");
	else
		reply_error(r, 500, "UNSUPPORTED", "the registry failed; its log says why");
	if (r->status == 503)
		reply_header(r, "Retry-After", "1");
}
