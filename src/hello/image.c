#include "hello/image.h"

#include "base/strbuf.h"
#include "codec/digest.h"
#include "codec/tar.h"
#include "image/archive.h"
#include "image/image.h"
#include "oci/platform.h"

#define NAME       "hello:latest"
#define CREATED    "2026-11-22T00:00:00Z" /* fixed, so that the same program makes the same id */
#define CREATED_S  1795305600
#define LAYER_FILE "layer.tar"

static const uint8_t program[] = {
#include "hello.inc"
};

bool hello_image_is_named(const char *name)
{
	static const char *const names[] = {
		"hello",
		NAME,
		"docker.io/library/hello",
		("docker.io/library/" NAME),
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

static int write_to_buf(void *ctx, const void *data, size_t len, struct err *err)
{
	strbuf_add(ctx, data, len);
	return 0;
}

/* The root file system: the program, and a user database so that --user has names to find. */
static int build_layer(struct strbuf *out, struct err *err)
{
	static const char passwd[] = "root:x:0:0:root:/:/hello\n"
				     "nobody:x:65534:65534:nobody:/:/hello\n";
	static const char group[] = "root:x:0:\nnobody:x:65534:\n";
	const struct tar_entry etc = {
		.type = TAR_DIR,
		.name = "etc",
		.link = "",
		.uname = "",
		.gname = "",
		.mode = 0755,
		.mtime_s = CREATED_S,
	};
	const struct tar_entry hello = {
		.type = TAR_FILE,
		.name = "hello",
		.link = "",
		.uname = "",
		.gname = "",
		.mode = 0755,
		.size = sizeof(program),
		.mtime_s = CREATED_S,
	};
	AUTO(tar_writer_freep) struct tar_writer *w = tar_writer_new(write_to_buf, out);

	if (tar_writer_entry(w, &etc, err) < 0 ||
	    tar_writer_file(w, "etc/passwd", passwd, sizeof(passwd) - 1, CREATED_S, err) < 0 ||
	    tar_writer_file(w, "etc/group", group, sizeof(group) - 1, CREATED_S, err) < 0 ||
	    tar_writer_entry(w, &hello, err) < 0 ||
	    tar_writer_data(w, program, sizeof(program), err) < 0)
		return -1;
	return tar_writer_finish(w, err);
}

/* Every string in it is ours and needs no escape. */
static void build_config(const struct strbuf *layer, struct strbuf *out)
{
	struct platform host = platform_host();
	struct digest diff_id;

	digest_of(DIGEST_SHA256, layer->buf, layer->len, &diff_id);
	strbuf_addf(out,
	            "{\"architecture\":\"%s\",\"os\":\"linux\",\"created\":\"" CREATED "\","
	            "\"config\":{\"Cmd\":[\"/hello\"],\"WorkingDir\":\"/\","
	            "\"Labels\":{\"org.opencontainers.image.title\":\"hello\","
	            "\"org.opencontainers.image.version\":\"" DHOW_VERSION "\"}},"
	            "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]},"
	            "\"history\":[{\"created\":\"" CREATED "\","
	            "\"created_by\":\"embedded in dhow " DHOW_VERSION "\"}]}",
	            host.architecture, digest_format(&diff_id).s);
}

/* A docker-archive: the layer, the config and a manifest that names them. */
static int build_archive(struct strbuf *out, struct err *err)
{
	AUTO_BUF layer = STRBUF_INIT;
	AUTO_BUF config = STRBUF_INIT;
	AUTO_BUF manifest = STRBUF_INIT;
	AUTO_BUF config_name = STRBUF_INIT;
	AUTO(tar_writer_freep) struct tar_writer *w = tar_writer_new(write_to_buf, out);
	struct digest id;

	if (build_layer(&layer, err) < 0)
		return -1;
	build_config(&layer, &config);
	digest_of(DIGEST_SHA256, config.buf, config.len, &id);
	strbuf_addf(&config_name, "%s.json", digest_hex(&id).s);
	strbuf_addf(&manifest,
	            "[{\"Config\":\"%s\",\"RepoTags\":[\"" NAME "\"],"
	            "\"Layers\":[\"" LAYER_FILE "\"]}]",
	            config_name.buf);
	if (tar_writer_file(w, "manifest.json", manifest.buf, manifest.len, CREATED_S, err) < 0 ||
	    tar_writer_file(w, config_name.buf, config.buf, config.len, CREATED_S, err) < 0 ||
	    tar_writer_file(w, LAYER_FILE, layer.buf, layer.len, CREATED_S, err) < 0)
		return -1;
	return tar_writer_finish(w, err);
}

int hello_image_load(struct image_store *store, struct image *ret, struct err *err)
{
	AUTO_BUF archive = STRBUF_INIT;
	AUTO_STRV loaded = STRV_INIT;

	if (build_archive(&archive, err) < 0 ||
	    image_load_memory(store, archive.buf, archive.len, &loaded, err) < 0 ||
	    image_resolve(store, NAME, ret, err) < 0)
		return err_ctx(err, "install the image 'hello'");
	return 0;
}
