"""Trainings of the published full-disk studies, as their scripts had them. A copied folder has its own."""

from network_models.presets import Preset

_COMPARISON = {
    "epochs": 50,
    "batch_size": 64,
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 1e-4,
    "weight_decay": 1e-3,
    "balance": "both",
    "augment_quiet": True,
    "image_size": 512,
}

PRESETS = {
    "cnn_study": Preset(
        "the comparison of three networks (Pandey et al. 2023, ICMLA), train.py; they start from ImageNet (--start_from)",
        {**_COMPARISON, "schedule": "onecycle", "max_lr": 1e-5, "skill_rule": "hss held"},
        ("alex", "vgg", "resnet"),
    ),
    "cnn_study_steps": Preset(
        "the same, train_without_scheduler.py: a tenth of the rate before epochs 20 and 40, and before each from 45 on",
        {
            **_COMPARISON,
            "schedule": "steps",
            "step_every": 20,
            "steps_from": 45,
            "step_factor": 0.1,
            "skill_rule": "tss alone",
        },
        ("alex", "vgg", "resnet"),
    ),
    "explaining_study": Preset(
        "the explained AlexNet (Pandey et al. 2023, post hoc attention), whose script kept the last network and fed the plateau"
        " schedule with TSS too, as if it were a loss; from ImageNet as well",
        {
            **_COMPARISON,
            "epochs": 40,
            "learning_rate": 0.0099,
            "weight_decay": 0.01,
            "schedule": "plateau",
            "plateau_epochs": 4,
            "factor": 0.03,
        },
        ("alex",),
    ),
    "attention_study": Preset(
        "the attention network and its twin (Pandey et al. 2023, attention-based networks); the rate halves before epochs 3, 6,"
        " 9 and so on; its loop ends one epoch before the number given",
        {
            "epochs": 30,
            "batch_size": 128,
            "optimizer": "sgd",
            "momentum": 0.0,
            "learning_rate": 1e-3,
            "weight_decay": 0.5,
            "schedule": "steps",
            "step_every": 3,
            "steps_from": 0,
            "step_factor": 0.5,
            "balance": "augment",
            "augment_quiet": False,
            "skill_rule": "both higher",
            "image_size": 256,
        },
        ("attention", "cnn"),
    ),
}
