"""Errors that came as the text of an answer are known, of whatever server; honest answers are left alone."""

from __future__ import annotations

import json

import pytest

from datagen.server_words import server_words

ERRORS = [
    "The server is currently overloaded, please try again later. We apologize for the inconvenience caused to you.",
    "We are sorry, but the upstream provider could not process your request because the service is under heavy load.",
    "You have reached your daily usage limit for this model on the free plan. Please upgrade your subscription.",
    "Error: upstream provider failed with status 503. Please try again later.",
    "An unexpected error occurred while generating the response. Our team was notified; please retry in a moment.",
    "Something went wrong while processing your request. If the problem persists, contact support.",
    "The request timed out because the model took too long to respond. Please try again with a shorter prompt.",
    "RuntimeError: CUDA error: device-side assert triggered. Failed to generate the output for this request.",
    "Traceback (most recent call last): in generate: connection refused by the backend server",
    "Insufficient credits: this account has used up its monthly quota. Renew your plan to continue.",
    "HTTP 504 Gateway Timeout: the backend server did not answer within the time that was allowed for it.",
    "<!DOCTYPE html><html><title>Just a moment...</title></html>",
    "  <html>\n<head><title>502 Bad Gateway</title></head></html>",
    json.dumps({"error": {"message": "Rate limit exceeded", "code": 429}}),
    json.dumps({"detail": "Model is loading"}),
    json.dumps({"code": 500, "message": "internal"}),
    f"```json\n{json.dumps([{'error': 'overloaded'}])}\n```",
]
ANSWERS = [
    "The server is busy with four plates, so the couple will have to wait and try the soup later.",
    "The cashier asks whether the customer wants to try again, since the card was not read.",
    "The train is at full capacity, and people stand in the doors.",
    "High demand at the stall means a long line; each of the requests is written on a slip.",
    "The old computer shows an error, and its owner has turned to the book instead.",
    "The van is unable to reach the gate, as a tree lies across the road.",
    'The screen reads "An error occurred. Please try again later." in white letters.',
    json.dumps({"turns": [{"question": "What does it say?", "answer": "error"}]}),
    json.dumps({"description": "A dog.", "message": "none"}),
    "[EXIT] is written over the door.",
    "{" * 1000,
    "",
    "A dog. " * 1000 + "Your request timed out, please try again.",
]


@pytest.mark.parametrize("text", ERRORS)
def test_an_error_is_one(text: str) -> None:
    assert server_words(text) == "server_error"


@pytest.mark.parametrize(
    "text",
    [
        "The generated text has been blocked by our content filters because it may violate the terms of use.",
        "Your message was flagged by our safety system as it violates our usage policies. Please revise your prompt.",
    ],
)
def test_a_filter_is_no_error_that_passes(text: str) -> None:
    assert server_words(text) == "content_filter"


BESIDE = [
    "The deployment you are calling was scaled to zero because of inactivity; the first call wakes it up.",
    "Model output was empty. This can happen when the sampler stops early; adjust the parameters of the call.",
    "Unfortunately the answer could not be produced: a worker node ran out of memory while it was processing the batch.",
]
TOLD = ("A person stands beside a dog near a car.", "traffic light")


@pytest.mark.parametrize("text", BESIDE)
def test_what_names_nothing_of_its_picture_needs_fewer_words_of_servers(text: str) -> None:
    assert server_words(text) is None and server_words(text, TOLD) == "server_error"
    assert server_words(f"{text} A dog waits.", TOLD) is None
    assert server_words("It all feels calm and busy, rather soft than bright here.", TOLD) is None


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_none(text: str) -> None:
    assert server_words(text) is None


def test_a_refusal_is_no_error_though_it_names_nothing_of_the_picture() -> None:
    assert server_words("I'm sorry, but I can't help with that.", ("a dog on a bench", "dog")) is None
