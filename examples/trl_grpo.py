"""TRL's GRPOTrainer on a reachgym environment: a tiny model learns to look before it answers.

Run it with `pip install 'reachgym[trl]'` and `python examples/trl_grpo.py`. Nothing is downloaded:
the model has 0.15 million weights, made here. A short supervised warm-up leaves it calling the tool
in one episode of three and guessing in the others; GRPO then makes it call. It takes half a
minute on one core.

Three lines adapt the environment: `environment_factory`, `rows` and `episode_reward`.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from reachgym.envs.registration import EnvRef, register
from reachgym.envs.tools.base import tool
from reachgym.envs.types import Task
from reachgym.rollout.formats.trl import environment_factory, episode_reward, rows

WORDS = ("amber", "birch", "coral", "dune", "ember", "fjord", "grove", "heath")
BOXES = 12
HELD_OUT = 4
CONTENT = [random.Random(box).choice(WORDS) for box in range(BOXES)]
REF = EnvRef("examples/Boxes-v0")

WARM_UP_STEPS = 400
GRPO_STEPS = 12
GENERATIONS = 8

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}'
    "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# How an assistant's turn is read, in the terms of transformers' `parse_response`.
RESPONSE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"},
    },
}


@tool
def look(box: int) -> str:
    """Read the word in a box.

    Args:
        box: The number of the box.
    """
    return CONTENT[box % BOXES]


register(
    REF.id,
    tasks=[
        Task(
            f"box-{box}",
            f"box {box}?",
            CONTENT[box],
            split="held_out" if box < HELD_OUT else "train",
        )
        for box in range(BOXES)
    ],
    tools=[look],
)


def demonstration(rng: random.Random) -> list[dict[str, object]]:
    """An episode that looks, in one case of three, or guesses."""
    box = rng.randrange(BOXES)
    asked = {"role": "user", "content": f"box {box}?"}
    if rng.random() > 1 / 3:
        return [asked, {"role": "assistant", "content": rng.choice(WORDS)}]
    word = rng.choice(WORDS)  # Any word: what is to be learned is to repeat what was found.
    call = {"type": "function", "function": {"name": "look", "arguments": {"box": box}}}
    return [
        asked,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": word},
        {"role": "assistant", "content": word},
    ]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, and whatever is frequent in the demonstrations as one token."""
    rng = random.Random(0)
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, chat_template=TEMPLATE)
    texts: Iterator[str] = (
        tokenizer.apply_chat_template(demonstration(rng), tokenize=False) for _ in range(500)
    )
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bare.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        pad_token="<|pad|>",
        eos_token="<|im_end|>",
        chat_template=TEMPLATE,
        padding_side="left",
    )
    made.response_template = RESPONSE
    return made


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Two layers, from scratch."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=128,
            initializer_range=0.08,  # Copying is learned several times sooner than at 0.02.
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


def warm_up(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Teach the format, and the habit of guessing."""
    rng = random.Random(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(WARM_UP_STEPS):
        texts = [
            tokenizer.apply_chat_template(demonstration(rng), tokenize=False) for _ in range(32)
        ]
        batch = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels
        ).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()


def main() -> None:
    """Warm up, measure, train, measure again on boxes that were not trained on."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    warm_up(model, tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            max_steps=GRPO_STEPS,
            learning_rate=1e-3,
            num_generations=GENERATIONS,
            per_device_train_batch_size=8 * GENERATIONS,
            per_device_eval_batch_size=HELD_OUT * GENERATIONS,
            max_completion_length=48,
            max_tool_calling_iterations=2,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=0,
        )
        trainer = GRPOTrainer(
            model=model,
            args=config,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows(REF, "train", BOXES - HELD_OUT)),
            eval_dataset=Dataset.from_list(rows(REF, "held_out", HELD_OUT)),
            environment_factory=environment_factory(REF),
            reward_funcs=episode_reward,
        )
        before = trainer.evaluate()["eval_reward"]
        trainer.train()
        after = trainer.evaluate()["eval_reward"]
    print(f"mean reward on held-out boxes: {before:.2f} before, {after:.2f} after")


if __name__ == "__main__":
    main()
