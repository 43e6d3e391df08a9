# The lab's commands, one playbook or one command each. `make help` lists them.
#   INVENTORY=inventories/x  which labs       LAB=name  one of them       ARGS='-e lab_workers=3'  for ansible-playbook
#   ROSTER=roster.csv  the labs of a class: a list of students, with INVENTORY=inventories/classroom
# In the default inventory, LAB=name is also a lab of this machine that no host is called after.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

ifeq ($(origin INVENTORY),undefined)
INVENTORY := $(if $(or $(value ROSTER),$(filter class handout grade class-status exam class-archive class-close class-take-over,$(MAKECMDGOALS))),inventories/classroom,inventories/lab)
endif
# Typed, they arrive as typed: make would take a dollar for a variable of its own. Recipes read them as the shell's, in quotes.
override ARGS := $(value ARGS)
override INVENTORY := $(value INVENTORY)
override LAB := $(value LAB)
override USUARIO := $(value USUARIO)
override LOGIN := $(value LOGIN)
override KIND := $(value KIND)
override FILE := $(value FILE)
override STATE := $(value STATE)
override ROSTER := $(value ROSTER)
override FAULT := $(value FAULT)
override NODE := $(value NODE)
override DURATION := $(value DURATION)
override MAPPING := $(value MAPPING)
override LAB_LANGUAGE := $(value LAB_LANGUAGE)

override WORKERS := $(value WORKERS)
override KEEP := $(value KEEP)
override BY := $(value BY)
override EXERCISE := $(value EXERCISE)
override EXERCISES_PATH := $(value EXERCISES_PATH)
override DECIMAL := $(value DECIMAL)
override WATCH := $(value WATCH)
override BUNDLE := $(value BUNDLE)
override PLATFORM := $(value PLATFORM)
override YES := $(value YES)
override CODE := $(value CODE)
export ARGS INVENTORY LAB USUARIO LOGIN KIND FILE STATE ROSTER MAPPING LAB_LANGUAGE FAULT NODE DURATION WORKERS KEEP BY EXERCISE EXERCISES_PATH DECIMAL WATCH BUNDLE PLATFORM YES CODE
typed = '$(or $(PYTHON),python3)' requirements/typed
# Every command begins with it: what a person exported for something else stays out. GNU make exports nothing to $(shell) itself.
environment := roles/runtime/files/environment.sh
export BASH_ENV := $(environment)
# The oldest Python that will do is 3.11. PYTHON=/path/to/python3 names another one.
PYTHON ?= $(shell . $(environment); for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# A world-writable folder (WSL's /mnt/c) makes Ansible ignore the ansible.cfg that lies in it; named, it is read.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What a bundle brought (files/programs/bundle.py) is where uv looks first, whatever the folder is called: it takes a comma for the end of a name.
wheels := .cache/wheels
comma := ,
hash := \#
url = file://$(subst ?,%3F,$(subst $(hash),%23,$(subst $(comma),%2C,$(subst %,%25,$(CURDIR)/$(wheels)))))
ifneq ($(BUNDLE)$(wildcard $(wheels)),)
export UV_FIND_LINKS := $(url)$(if $(value UV_FIND_LINKS),$(comma)$(value UV_FIND_LINKS))
endif

# LAB is a host of the inventory; in the Makefile's own, any lab of this machine.
one = if [[ $$INVENTORY != inventories/lab ]] || grep -q "^ *$$LAB: *$$" inventories/lab/hosts.yml; \
	then one=(--limit "$$LAB"); else one=(-e lab_name="$$LAB"); fi;
play = $(if $(LAB),$(one)) $(typed) ansible-playbook -i "$$INVENTORY" $(if $(ROSTER),-e lab_roster="$(roster)") $(if $(LAB),"$${one[@]}") $(if $(USUARIO),-e middleware_token_document="$$USUARIO") \
	$(if $(LOGIN),-e clinical_schema_login="$$LOGIN") $(if $(KIND),-e clinical_schema_login_kind="$$KIND") $(if $(FILE),-e clinical_schema_dump_file="$(file)") \
	$(if $(FAULT),-e chaos_fault="$$FAULT") $(if $(NODE),-e chaos_node="$$NODE") $(if $(DURATION),-e chaos_seconds="$$DURATION") \
	$(if $(STATE),-e $(1)_state="$$STATE") $(if $(LAB_LANGUAGE),-e handout_language="$$LAB_LANGUAGE") \
	$(if $(WORKERS),-e scale_workers="$$WORKERS") $(if $(KEEP),-e scale_keep="$$KEEP") $(if $(BY),-e rebalance_by="$$BY") playbooks/$(1).yml $(if $(LAB),|| { [[ $${one[0]} == -e ]] || $(say_labs); exit 1; })
file = $$([[ $$FILE == /* ]] || echo "$$PWD/")$$FILE
roster = $$([[ $$ROSTER == /* ]] || echo "$$PWD/")$$ROSTER
say_labs = { $(hosts) "$$LAB" 2>/dev/null | grep -q '(0)' \
	&& { echo "There is no lab $$LAB in $$INVENTORY. It has:" && $(hosts) all | tail -n +2; } >&2; }
spoken = $(if $(LAB_LANGUAGE),--language "$$LAB_LANGUAGE") $(if $(EXERCISES_PATH),--path "$$EXERCISES_PATH")
exercises = @$(typed) python files/programs/exercises.py $(spoken)
graded = $(typed) python files/programs/exercises.py $(1) --inventory "$$INVENTORY" $(if $(ROSTER),--roster "$(roster)") \
	$(if $(EXERCISE),--exercises "$$EXERCISE") $(spoken)
hosts = ansible -i "$$INVENTORY" $(if $(ROSTER),-e lab_roster="$(roster)") --list-hosts

suites := unit middleware integration kubernetes newcomer molecule

.PHONY: help env bundle docs lock lab class handout status diagnose verify psql import login rotate chaos dump token stop start autostart scale rebalance exercises exercise check hint exercise-reset exercise-test submit grade class-status exam class-archive class-close class-take-over teardown reset preflight test test-long soak interrupted changed mutation bench lint $(suites)

help: ## list the commands
	@sed -n 's/\$$(suites)/$(suites)/; s/^\([a-z][^:= ]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

env: .venv/.complete ## make .venv: Ansible and the tools of the tests; BUNDLE=file: without a network

.venv/.complete: requirements/control.txt requirements/bootstrap.txt $(if $(BUNDLE),| $(wheels))
	@requirements/environment '$(PYTHON)'
	@touch $@

# Each time that one is named: it may be another one.
.PHONY: $(if $(BUNDLE),$(wheels))
$(wheels):
	@[[ -z '$(PYTHON)' ]] || '$(PYTHON)' files/programs/bundle.py open "$$BUNDLE"

bundle: env ## what make lab downloads on host, as one file for BUNDLE=file: for this machine, or PLATFORM=macos-arm64, linux-x86_64-3.12
	@$(typed) python files/programs/bundle.py make "$$PLATFORM"

lab: env ## make the lab, or bring it up to date; BUNDLE=file: without a network
	@$(call play,site)

# Each lab on its own way: no lab waits for another one's task.
class: export ANSIBLE_STRATEGY := ansible.builtin.host_pinned
class: export LAB_SETS := ANSIBLE_STRATEGY  # stays out otherwise: environment.sh
class: export ANSIBLE_STDOUT_CALLBACK := aula.historia_clinica.classroom
class: env ## make the labs of a class, or bring them up to date: ROSTER=roster.csv, a list of students
	@$(call play,class)

handout: env ## a folder and a zip file for each student, with what opens the lab: ROSTER=roster.csv, LAB_LANGUAGE=en
	@$(call play,handout)

preflight: env ## what is missing, busy or too small here; changes nothing but the runtime
	@$(call play,preflight)

status: env ## nodes, processes, tables, shards, endpoints
	@$(call play,status)

diagnose: env ## what is not ready and why, events, the last lines of every log
	@$(call play,diagnose)

verify: env ## every promise, checked against the running lab
	@$(call play,verify)

psql: ## connect as the lab's administrator, or as LOGIN=ana: ARGS='-Atc "select 1"'
	@LAB_LOGIN="$$LOGIN" $(typed) files/programs/lab psql

dump: env ## a copy of the clinical history for any PostgreSQL: FILE=historia.sql
	@$(call play,dump)

import: ## patients and consultations of another hospital's file: FILE=hospital.csv MAPPING=hospital.yml; ARGS=--check only looks
	@$(typed) files/programs/lab import "$$FILE" $(if $(MAPPING),--mapping "$$MAPPING")

login: env ## a person's login to the database: LOGIN=ana reads; KIND=write writes too, KIND=none takes it away
	@$(call play,login)

rotate: env ## change every password and signing key while the lab is used; LOGIN=ana: that person's password alone
	@$(call play,rotate)

chaos: env ## break a node for a while: FAULT=kill, freeze, cut or fill, NODE=citus-worker-1, DURATION=20
	@$(call play,chaos)

token: env ## a password and a token for the API: USUARIO=1072319876, else an administrator
	@$(call play,token)

stop: env ## stop the lab; the data stay
	@$(call play,stop)

start: env ## start a lab that was stopped, or after a reboot
	@$(call play,start)

autostart: env ## let the lab start by itself after a reboot; STATE=off: no more
	@$(call play,autostart)

scale: env ## give the lab more workers or fewer, while it is used: WORKERS=4; KEEP=yes keeps the data of those that leave
	@$(call play,scale)

rebalance: env ## spread the shards over the workers: BY=size by bytes, else by number; ARGS=--check shows the plan, STATE=cancelled stops it
	@$(call play,rebalance)

exercises: env ## the exercises, with state and points: LAB_LANGUAGE=en, EXERCISES_PATH=/folder/of/mine
	$(exercises) list

exercise: env ## what is to be done in an exercise, and its stage in the lab: EXERCISE=name
	$(exercises) show "$$EXERCISE"

check: env ## what is right in an exercise and what is missing: EXERCISE=name
	$(exercises) check "$$EXERCISE"

hint: env ## the next hint of an exercise: EXERCISE=name
	$(exercises) hint "$$EXERCISE"

exercise-reset: env ## the stage of an exercise as at the beginning, and nothing else: EXERCISE=name
	$(exercises) reset "$$EXERCISE"

exercise-test: env ## prove an exercise on the lab: untouched, solved, with each wrong answer: EXERCISE=name
	$(exercises) test "$$EXERCISE"

submit: env ## what was done on a machine of one's own, in a file for the teacher: CODE=20201234, the code or the e-mail; FILE=
	$(exercises) submit --code="$$CODE" $(if $(FILE),--file "$(file)")

grade: env ## the marks of a class, beside its list: ROSTER=roster.csv, EXERCISE=name,name, DECIMAL=comma for Moodle's file
	@$(call graded,grade) $(if $(DECIMAL),--decimal "$$DECIMAL")

class-status: env ## whose lab is up, exercises passed, who is stuck: ROSTER=roster.csv; WATCH=yes again and again, with a page for a projector
	@$(call graded,class-status) $(if $(WATCH),--watch "$$WATCH")

exam: env ## shut the exercises of exam.yml but in its time, and take the marks at its end: ROSTER=roster.csv; STATE=off: no exam
	@$(call graded,exam) $(if $(STATE),--state "$$STATE") $(if $(DECIMAL),--decimal "$$DECIMAL")

# What is typed for Ansible is not the program's: it hands it on when it removes the labs.
class-close: env ## end a class: archive its marks and records, remove its labs and accounts, delete its data: ROSTER=roster.csv; ARGS=--check only says what
	@ARGS= $(call graded,class-close) --ansible="$$ARGS" $(if $(YES),--yes "$$YES")

class-archive: env ## a class that goes on in one file, for who teaches it next: ROSTER=roster.csv
	@$(call graded,class-archive)

class-take-over: env ## go on with the class of an archive: FILE=roster-2026-06-30.zip, ROSTER=/folder/roster.csv where it is to be
	@$(call graded,class-take-over) $(if $(FILE),--file "$(file)")

teardown: env ## remove the lab: processes, data, directory, user
	@$(call play,teardown)

reset: env ## remove the lab and make it anew
	@$(call play,reset)

test: env ## lint and every suite, each of which is a word, too: $(suites)
	@$(typed) python tests/run.py

$(suites): env
	@$(typed) python tests/run.py $@

test-long: env ## the whole tables, rounds and second engines that `make test` leaves out: hours
	@$(typed) python tests/run.py --long

soak: env ## kill servers while the lab is written to, and count what is there: ARGS='--rounds 20'
	@$(typed) python tests/soak.py

interrupted: env ## kill runs of the playbooks at random moments, and run them again: ARGS='--rounds 20'
	@$(typed) python tests/interrupted.py

mutation: env ## change our Python in small ways and see the tests fail: ARGS='--each 40'
	@$(typed) python tests/mutation.py

bench: env ## every benchmark, or those that ARGS names; keeps the figures
	@$(typed) python benchmarks/all.py

changed: env ## change a lab by hand, one thing after the other, and see it named and repaired
	@$(typed) python tests/changed.py

lint: env ## ansible-lint, yamllint, ruff, mypy; ansible-test sanity, galaxy-importer, antsibull
	@yamllint --strict .
	@ruff check .
	@ruff format --check .
	@mypy --package ansible_collections.aula.historia_clinica.plugins
	@mypy tests docs benchmarks files/programs files/grading/src
	@for check in exercises/*/check.py; do mypy "$$check"; done
	@cd files/middleware && MYPYPATH=src:tests mypy --strict src tests
	@ansible-lint --offline
	@python tests/collection.py

docs: env ## rewrite the tables of variables in the roles' READMEs
	@python docs/tables.py

lock: env ## make the locked requirements anew from requirements/*.in
	@for name in requirements/{bootstrap,control,collection,runtime,checkov,security,mutation} benchmarks/rivals/requirements; do \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    $$name.in -o $$name.txt; done
