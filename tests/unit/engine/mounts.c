#include "test.h"

#include "engine/mounts-parse.h"

static struct err e;
static struct container_options o;
static struct mount_requests m;

/* What the last call left is freed here: at the end of a test it is still reachable. */
static void begin(void)
{
	mount_requests_done(&m);
	container_options_done(&o);
	container_options_init(&o);
}

static int parse_volume(const char *text)
{
	begin();
	strv_add(&o.volume, text);
	return mount_requests_parse(&o, NULL, &m, &e);
}

static int parse_mount(const char *text)
{
	begin();
	strv_add(&o.mount, text);
	return mount_requests_parse(&o, NULL, &m, &e);
}

START_TEST(a_host_directory_is_a_bind_mount)
{
	CHECK_OK(parse_volume("/a/b:/c//d/../e/:ro,rslave"));
	ck_assert_uint_eq(m.count, 1);
	ck_assert_int_eq(m.items[0].kind, MOUNT_KIND_BIND);
	ck_assert_str_eq(m.items[0].source, "/a/b");
	ck_assert_str_eq(m.items[0].target, "/c/e");
	ck_assert(m.items[0].read_only && m.items[0].create_source);
	ck_assert(strv_has(&m.items[0].options, "rslave"));
}
END_TEST

START_TEST(names_and_single_paths_are_volumes)
{
	CHECK_OK(parse_volume("data:/x:nocopy"));
	ck_assert_int_eq(m.items[0].kind, MOUNT_KIND_VOLUME);
	ck_assert_str_eq(m.items[0].source, "data");
	ck_assert(m.items[0].no_copy && !m.items[0].anonymous);
	CHECK_OK(parse_volume("/x"));
	ck_assert(m.items[0].anonymous && !m.items[0].source);
	ck_assert_str_eq(m.items[0].target, "/x");
	CHECK_OK(parse_volume("/x:ro"));
	ck_assert(m.items[0].anonymous && m.items[0].read_only);
}
END_TEST

START_TEST(bad_volumes_are_refused)
{
	static const char *const bad[] = {
		"",          ":",      ":/x",          "a:",           "a:b",
		"/a:/",      "/a:/..", "/a:/b:/c:d",   "../x/y",       "a/b:/x",
		"/a:/b:foo", "-x:/y",  "a:/b:rshared", "/a:/b:nocopy", "a$:/b"
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(parse_volume(bad[i]) < 0, "'%s' was accepted", bad[i]);
}
END_TEST

START_TEST(mount_takes_dockers_keys)
{
	CHECK_OK(parse_mount("type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave"));
	ck_assert(m.items[0].kind == MOUNT_KIND_BIND && m.items[0].read_only);
	ck_assert(!m.items[0].create_source);
	CHECK_OK(parse_mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770"));
	ck_assert(strv_has(&m.items[0].options, "size=1048576"));
	ck_assert(strv_has(&m.items[0].options, "mode=1770"));
	CHECK_OK(parse_mount("source=vol,\"target=/a,b\",volume-nocopy=false"));
	ck_assert_str_eq(m.items[0].target, "/a,b");
	CHECK_OK(parse_mount("type=volume,target=/v"));
	ck_assert(m.items[0].anonymous);
}
END_TEST

START_TEST(bad_mounts_are_refused)
{
	static const char *const bad[] = {
		"type=npipe,target=/a",
		"type=bind,target=/a",
		"type=bind,source=a,target=/a",
		"type=bind,source=/a",
		"type=tmpfs,source=/a,target=/b",
		"type=bind,source=/a,target=/b,tmpfs-size=1",
		"type=volume,target=/b,bind-propagation=shared",
		"type=bind,source=/a,target=/b,foo=1",
		"type=bind,source=/a,target=/b,readonly=maybe",
		"type=bind,source=/a,target=/b,target=/c",
		"target=/b,volume-driver=nfs",
		"target=/b,source=v,volume-subpath=../x",
		"target=/b,source=v,volume-subpath=a/../../x",
		"target=/b,source=v,volume-subpath=/x",
		"\"target=/b",
		"type=tmpfs,target=/b,tmpfs-mode=9",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(parse_mount(bad[i]) < 0, "'%s' was accepted", bad[i]);
}
END_TEST

START_TEST(two_mounts_on_one_target_are_refused)
{
	container_options_init(&o);
	strv_add(&o.volume, "/a:/x");
	strv_add(&o.tmpfs, "/x/");
	CHECK_ERR(E_INVALID, mount_requests_parse(&o, NULL, &m, &e));
	ck_assert_ptr_nonnull(strstr(e.msg, "/x"));
}
END_TEST

START_TEST(parents_come_first_and_options_cover_the_image)
{
	AUTO_STRV image = STRV_INIT;

	container_options_init(&o);
	strv_add(&o.volume, "/a:/x/y/z");
	strv_add(&o.tmpfs, "/x:size=1m,exec");
	strv_add(&image, "/data");
	strv_add(&image, "/x/");
	CHECK_OK(mount_requests_parse(&o, &image, &m, &e));
	ck_assert_uint_eq(m.count, 3);
	ck_assert_str_eq(m.items[0].target, "/x");
	ck_assert_int_eq(m.items[0].kind, MOUNT_KIND_TMPFS);
	ck_assert_str_eq(m.items[1].target, "/data");
	ck_assert_str_eq(m.items[2].target, "/x/y/z");
}
END_TEST

START_TEST(tmpfs_options_are_checked)
{
	container_options_init(&o);
	strv_add(&o.tmpfs, "/x:lowerdir=/etc");
	CHECK_ERR(E_INVALID, mount_requests_parse(&o, NULL, &m, &e));
}
END_TEST

TEST_MAIN("mounts", a_host_directory_is_a_bind_mount, names_and_single_paths_are_volumes,
          bad_volumes_are_refused, mount_takes_dockers_keys, bad_mounts_are_refused,
          two_mounts_on_one_target_are_refused, parents_come_first_and_options_cover_the_image,
          tmpfs_options_are_checked)
