"""What tests ask of an answer to a transfer question."""


def keeps(answer):
    """Tell whether settings keep all bounds, be they the cheapest that do or not."""
    return answer.right or " would do as well." in answer.why
