"""Teli's refusals: one nominal body, and the variants its pages and its hosts are known for."""

from typing import Any

from service.simulator.reply import Json, Reply


class Refusal(Exception):
    """An error of Teli's own making. `body` is what its page shows; the switch `error_shape` may send another."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(body.get("error"))
        self.status = status
        self.body = body


def refusal(status: int, error: str, **more: Any) -> Refusal:
    """The nominal shape: `error`, then anything further, `success` and `powered_by`."""
    return Refusal(status, {"error": error, **more, "success": False, "powered_by": "Teli"})


def bare_refusal(status: int, error: str) -> Refusal:
    """`error` alone, as the pages on users show it."""
    return Refusal(status, {"error": error})


def invalid_input(pointer: str, message: str) -> Refusal:
    """422 as FastAPI answers a body that fails validation."""
    return Refusal(422, {"detail": [{"loc": ["body", pointer], "msg": message, "type": "value_error"}]})


def shaped(refused: Refusal, shape: str) -> Reply:
    """The refusal in the body shape that the switch `error_shape` names."""
    error = str(refused.body.get("error", "Invalid request"))
    text = str(refused.body.get("message", error))
    body: Json | str
    match shape:
        case "error_success":
            body = {"error": error, "success": False}
        case "error_powered_by":
            body = {"error": error, "powered_by": "Teli"}
        case "error_only":
            body = {"error": error}
        case "error_message":
            body = {"error": "Request failed", "message": text, "success": False, "powered_by": "Teli"}
        case "error_detail":
            body = {"success": False, "error": error, "detail": text}
        case "detail_list":
            body = {"detail": [{"loc": ["body"], "msg": text, "type": "value_error"}]}
        case "html":
            return Reply(refused.status, f"<html><body><h1>{error}</h1></body></html>", "text/html")
        case "text":
            return Reply(refused.status, error, "text/plain")
        case _:
            body = refused.body
    return Reply(refused.status, body)
