# Everything one does with Switchboard. `make` alone lists it.
# Needs Python >= 3.11 as `python3`, make and git; the rest comes from hash-pinned lists.

PYTHON ?= python3
PY := .venv/bin/python
LOCAL := $(PY) -m infra.local
S ?=
V ?=
TURN ?= last
DATA ?=
MODEL ?=
ALL ?=

.DEFAULT_GOAL := help
.PHONY: $(shell awk -F: '/^[a-z-]+:/ {print $$1}' Makefile)

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' Makefile

env:
	@$(PYTHON) infra/local/environment.py local

env-test:
	@$(PYTHON) infra/local/environment.py test

up: env ## start everything on this machine: Kafka, Redis, nine services, background jobs
	@$(LOCAL) up

down: env ## stop everything, in order
	@$(LOCAL) down

restart: env ## restart the services, or one: make restart S=cache
	@$(LOCAL) restart $(S)

status: env ## processes, ports, memory, consumer lag, the mode in force
	@$(LOCAL) status

logs: env ## follow the logs of all, or of one: make logs S=cache
	@$(LOCAL) logs $(S)

chat: env ## talk to the whole system in this terminal, in one process, without a broker
	@$(PY) -m services.cli chat

trace: env ## draw the path of one turn with times: make trace TURN=<turn id> (default: the last)
	@$(LOCAL) trace $(TURN)

test: env-test ## lint, then every test; installs Chromium for the browser tests where it can
	@$(LOCAL) chromium
	@$(PYTHON) infra/local/environment.py llm
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest

lint: env-test ## ruff, mypy strict, import contracts, no mocks
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@if grep -rnE "unittest\.mock|from mock |mocker\.|monkeypatch\.setattr" tests --include='*.py' --exclude=test_house_rules.py; then \
		echo "our own code is not mocked or patched: hand a variant in instead"; exit 1; fi

format: env-test ## let ruff tidy the code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

bench: bench-bus bench-turns bench-ingest bench-retrieval bench-intent bench-cache ## all measurements

bench-bus: env ## hop latency and throughput of the bus variants, side by side
	@$(PY) -m shared.bus.bench

bench-turns: env ## 200 cached and 200 uncached turns against the running system (needs `make up`)
	@$(PY) -m infra.local.bench_turns

bench-kills: env ## kill each part under a stream of questions (needs `make up`); V="cache kafka" picks
	@$(PY) -m infra.local.bench_kills $(V)

bench-cache: ## the semantic cache at 100,000 entries beside GPTCache and redisvl; PAIRS=file of pairs
	@$(PYTHON) infra/local/environment.py bench
	@.venv-bench/bin/python -m infra.local.bench_cache $(if $(PAIRS),--pairs $(PAIRS))

bench-strangers: env ## the shop's labelled messages against a full cache: hits of another intent
	@$(PY) -m infra.local.bench_strangers

bench-intent: env ## the intent model's speed, one message and many; its quality where DATA= is given
	@$(PY) -m services.intent.bench
	@$(if $(DATA),$(PY) -m services.cli eval intent --data $(DATA))

bench-ingest: env ## speed and memory of ingestion, and questions meanwhile; DOCUMENTS=10000 takes minutes
	@$(PY) -m services.retrieval.bench_ingest --documents $(or $(DOCUMENTS),500)

bench-retrieval: env ## time of each step of a search: make bench-retrieval KB=folder QUERIES=file
	@$(PY) -m services.retrieval.bench --kb $(or $(KB),infra/sample_shop/articles) $(if $(QUERIES),--queries $(QUERIES))

bench-quotes: env ## answers without a model: the right article quoted? make bench-quotes KB=folder QUERIES=file
	@$(PY) -m infra.local.bench_quotes $(if $(KB),--kb $(KB)) $(if $(QUERIES),--queries $(QUERIES))

bench-pairs: env ## near misses and rewordings of the sample shop through the cache's checks
	@$(PY) -m infra.local.bench_pairs

llm: ## serve a model to the small tier: make llm MODEL=file.gguf (without: a tiny one, to try)
	@$(PYTHON) infra/local/environment.py llm
	@.venv-llm/bin/python infra/local/language_model.py $(if $(MODEL),--model $(MODEL))

test-training: env-test ## train tiny models, interrupt and resume them (needs 5 GB for torch, once)
	@$(PYTHON) infra/local/environment.py train
	@$(PY) -m pytest -m training

train-intent: ## retrain the intent model: make train-intent DATA="messages.csv more.jsonl" OUT=folder [DEV=file TEST=file RESUME=1 LORA=1]
	@$(PYTHON) infra/local/environment.py train
	@.venv-train/bin/python -m services.intent.training $(foreach file,$(DATA),--data $(file)) \
		$(if $(DEV),--dev $(DEV)) $(if $(TEST),--test $(TEST)) $(if $(RESUME),--resume) $(if $(LORA),--lora) \
		--out $(or $(OUT),var/intent-model)

train-cache: ## retrain the cache's second check: make train-cache PAIRS="a.jsonl b.jsonl" OUT=folder
	@$(PYTHON) infra/local/environment.py train
	@.venv-train/bin/python -m services.cache.training --pairs $(PAIRS) --swaps infra/sample_shop/swaps.txt --groups services/cache/training/questions.txt infra/sample_shop/questions_by_answer.txt --messages infra/sample_shop/messages/train.jsonl --out $(or $(OUT),var/cache-model)

up-docker: ## the same system in containers
	docker compose up --build --detach --wait

down-docker: ## stop the containers; data stays in volumes
	docker compose down

requirements: env ## make the hash-pinned lists anew from requirements/*.in
	@set -e; compile=".venv/bin/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links"; \
	$$compile requirements/uv.in -o requirements/uv.txt; \
	$$compile requirements/test.in -o requirements/test.txt; \
	for list in run local train bench; do \
		$$compile requirements/$$list.in -c requirements/test.txt -o requirements/$$list.txt; done; \
	$$compile --no-deps requirements/llm.in -o requirements/llm.txt

docs: env ## generate docs/flow.md, docs/asyncapi.yaml and .env.example from the code
	@$(PY) -m services.cli docs
	@$(LOCAL) env-example

doctor: env ## what this machine lacks, and what to do about it
	@$(LOCAL) doctor

clean: ## remove caches and logs; with ALL=1 also stop and remove all data under var/
	@rm -rf .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis var/log
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
	@if [ "$(ALL)" = 1 ]; then [ ! -x $(PY) ] || $(LOCAL) down; rm -rf var; fi
