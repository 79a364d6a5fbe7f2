"""What must hold for requests that make nodes work."""

from twin.invariants.case import Case, Finding


def answered_once(case: Case) -> Finding:
    """Each answer is the first one to a request that its client has made to the same node before."""
    table = case.record.select("requested", "answered")
    asked: dict[tuple[int, str, int], tuple[int, int]] = {}
    answered: dict[tuple[int, str, int], int] = {}
    broken, said, before = list[int](), list[str](), list[int]()
    columns = (table[name].to_numpy() for name in ("event", "client", "node", "version", "task"))
    for at, event, client, node, number, task in zip(table.index.to_numpy(), *columns, strict=True):
        name, problem, witness = (int(client), str(task), int(number)), "", -1
        if event == "requested":
            asked[name] = int(node), int(at)
            continue
        if name in answered:
            problem, witness = "once more", answered[name]
        elif name not in asked:
            problem = "without a request"
        elif asked[name][0] != node:
            problem, witness = f"by node {node}, and node {asked[name][0]} was asked", asked[name][1]
        if problem:
            broken.append(int(at))
            said.append(f"client {client}: request {number} of the task {task} is answered {problem}")
            before.append(witness)
        answered[name] = int(at)
    return case.found("answered_once", broken, lambda i: said[i], lambda i: [before[i]])
