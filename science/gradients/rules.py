"""Other backward passes for ReLU: deconvolution and guided backpropagation.

They are given to the operations of the traced graph, not to Keras layers, because an activation can hide in a layer, in a
nested network or in a custom ``call``.

References
----------
Zeiler & Fergus 2013, arXiv:1311.2901 (deconvolution); Springenberg et al. 2014, arXiv:1412.6806 (guided).
"""

import contextlib
import functools

from tools.errors import UserError

RULES = ("plain", "deconvolution", "guided")

# Activations whose backward pass the rules do not define.
UNRULED = ("Elu", "LeakyRelu", "Selu", "Softplus", "Softsign", "Erf")


@functools.cache
def _register_rules():
    """Register the backward passes under the names that `overriding` uses; TensorFlow allows it once per process."""
    import tensorflow

    def deconvolution(op, gradient):
        return tensorflow.nn.relu(gradient)

    def guided(op, gradient):
        above = tensorflow.cast(op.inputs[0] > 0, gradient.dtype)
        if op.type == "Relu6":
            above *= tensorflow.cast(op.inputs[0] < 6, gradient.dtype)
        return tensorflow.nn.relu(gradient) * above

    for rule in (deconvolution, guided):
        tensorflow.RegisterGradient(f"Solar_{rule.__name__}")(rule)


@contextlib.contextmanager
def overriding(rule):
    """Give every ReLU that is added to the graph in this block the backward pass of `rule`.

    Yields a function to call after the block: it checks that no ReLU escaped and returns how many were overridden.
    """
    import tensorflow

    if rule not in RULES:
        raise ValueError(f"rule is one of {', '.join(RULES)}; received {rule!r}")
    if rule == "plain":
        yield lambda: 0
        return
    _register_rules()
    graph = tensorflow.compat.v1.get_default_graph()
    first = len(graph.get_operations())
    name = f"Solar_{rule}"
    end = []
    with graph.gradient_override_map({"Relu": name, "Relu6": name}):
        yield lambda: _count(graph, graph.get_operations()[first : end[0]], rule)
    end.append(len(graph.get_operations()))


def _count(graph, operations, rule):
    """Count the ReLUs among operations that carry a rule; a `UserError` where one escaped it or there is none."""
    unruled = sorted({operation.type for operation in operations} & set(UNRULED))
    if unruled:
        raise UserError(f"the {rule} rule is defined for ReLU; this network also has {', '.join(unruled)} activations")
    rectifiers = [operation for operation in operations if operation.type in ("Relu", "Relu6")]
    mark = f"Solar_{rule}".encode()
    plain = [operation.name for operation in rectifiers if operation.get_attr("_gradient_op_type") != mark]
    inner = [
        node.name
        for function in graph.as_graph_def().library.function
        for node in function.node_def
        if node.op in ("Relu", "Relu6")
    ]
    if plain or inner:
        raise UserError(
            f"the {rule} rule does not reach the ReLU {(plain + inner)[0]}: it lies inside a compiled function;"
            " build the network without tf.function, jit_compile or loops around its activations"
        )
    if not rectifiers:
        raise UserError(f"the {rule} rule changes the backward pass of ReLU; this network has none")
    return len(rectifiers)
