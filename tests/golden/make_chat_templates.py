#!/usr/bin/env python3
"""Writes chat_templates.json: the templates of chat_templates/ on conversations, rendered by transformers itself.

Usage: make_chat_templates.py   (needs transformers 5 and jinja2; no model, no network)

A case is {template, conversation, end, text} or, where rendering fails, {..., error, raised}: the words of the error, and
whether the template raised them itself. Times are those of NOW.
"""
import datetime
import json
import pathlib

import jinja2
from transformers.utils import chat_template_utils

FOLDER = pathlib.Path(__file__).resolve().parent
NOW = datetime.datetime(2024, 7, 6, 9, 5, 3)
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}

SYSTEM = {"role": "system", "content": "Answer in one word."}
USER = {"role": "user", "content": "Who wrote \"Emma\"?"}
ASSISTANT = {"role": "assistant", "content": "Austen."}
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather <now> in a \"city\" – today", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "enum": ["Zürich", "Rome"]}}, "required": ["city"]},
    "return": {"type": "string"}}}

CONVERSATIONS = {
    "one user turn": ([USER], {}),
    "system turn": ([SYSTEM, USER], {}),
    "several turns": ([SYSTEM, USER, ASSISTANT, {"role": "user", "content": "And <b>\"Pan\"</b> & 'Hunger'?"}], {}),
    "ends with the assistant": ([USER, {"role": "assistant", "content": "It was  "}], {}),
    "empty contents": ([{"role": "user", "content": ""}, {"role": "assistant", "content": ""},
                        {"role": "user", "content": " \n\t"}], {}),
    "unicode": ([{"role": "user", "content": "  Ünïcödé 漢字 🙂\u00a0\n\nzwei\u2028Zeilen\\n {{ not }} {% a tag %} "}], {}),
    "roles out of turn": ([USER, USER], {}),
    "unknown role": ([USER, {"role": "critic", "content": "Hm."}], {}),
    "thought": ([USER, {"role": "assistant", "content": "<think>\nNovels.\n</think>\n\nAusten."}, USER], {}),
    "thought at the end": ([USER, {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nAusten."}], {}),
    "date given, no thinking": ([USER], {"date_string": "1 Jan 2020", "enable_thinking": False}),
    "tools": ([SYSTEM, USER], {"tools": [WEATHER, WEATHER]}),
}
ENDS = {"as given": {}, "generation prompt": {"add_generation_prompt": True},
        "continued": {"continue_final_message": True}}


class FixedDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(text, messages, variables, end):
    """As PreTrainedTokenizerBase.apply_chat_template(tokenize=False) calls it."""
    arguments = {"tools": None, "documents": None, **SPECIAL_TOKENS, **ENDS[end], **variables}
    try:
        rendered, _ = chat_template_utils.render_jinja_template(conversations=[messages], chat_template=text, **arguments)
        return {"text": rendered[0]}
    except ValueError as error:
        return {"error": str(error)[:40], "raised": False}
    except jinja2.exceptions.TemplateError as error:
        return {"error": error.message, "raised": type(error) is jinja2.exceptions.TemplateError}


def main():
    chat_template_utils.datetime = FixedDatetime
    cases = []
    for path in sorted((FOLDER / "chat_templates").glob("*.jinja")):
        for name, (messages, variables) in CONVERSATIONS.items():
            for end in ENDS:
                if end == "continued" and messages[-1]["role"] != "assistant":
                    continue
                cases.append({"template": path.stem, "conversation": name, "end": end,
                              **render(path.read_text(), messages, variables, end)})
    golden = {"now": NOW.isoformat(), "special_tokens": SPECIAL_TOKENS,
              "conversations": {name: {"messages": messages, "variables": variables}
                                for name, (messages, variables) in CONVERSATIONS.items()},
              "cases": cases}
    lines = json.dumps({k: v for k, v in golden.items() if k != "cases"}, ensure_ascii=False)
    rows = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (FOLDER / "chat_templates.json").write_text(f'{lines[:-1]},\n"cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
